package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/myriad-sim/myriad/internal/bench"
)

type benchCmd struct {
	Sizes    []string      `help:"Numbers of agents, such as 10k,1M (default 1k,10k,100k,1M, with --full 10M too)." placeholder:"N,…"`
	Repeat   int           `help:"Measure everything so often; medians, lowest and highest are shown (default 1, with --full 5)." placeholder:"N"`
	Full     bool          `help:"Also ten million agents and the scale-out over hosts, everything five times. It takes half an hour or more."`
	Only     []string      `help:"Measure only these parts." placeholder:"PART,…"`
	Latency  time.Duration `help:"How long a model call takes, and what the baselines sleep." default:"1s" placeholder:"TIME"`
	Dir      string        `help:"Where data is kept during a measurement: choose the disk that counts; default the directory for temporary files." placeholder:"DIR"`
	JSON     string        `name:"json" help:"Write every sample into a file, as JSON." placeholder:"FILE"`
	Markdown string        `help:"Write the tables into a file, as Markdown." placeholder:"FILE"`
	SVG      string        `name:"svg" help:"Draw how time and memory of an agent grow into a file, as SVG." placeholder:"FILE"`
}

// Help is shown by --help.
func (benchCmd) Help() string {
	var b strings.Builder
	b.WriteString("Measures Myriad beside bare goroutines and asyncio, all from one run on this machine. Parts:\n")
	for _, p := range bench.Parts() {
		fmt.Fprintf(&b, "  %-11s %s\n", p[0], p[1])
	}
	return b.String() + `
Examples:
  myriad bench                                 two or three minutes on a laptop
  myriad bench --sizes 100k --only goroutines,run --repeat 5
  myriad bench --full --json bench.json --markdown bench.md --svg growth.svg`
}

// Run measures, and prints the tables also when something failed on the way.
func (c *benchCmd) Run(ctx context.Context, a *app) error {
	o, err := c.options(a)
	if err != nil {
		return err
	}
	report, err := bench.Run(ctx, o)
	if ctx.Err() != nil {
		err = exitCode{130, "Stopped."}
	}
	if report.Empty() {
		return err
	}
	return errors.Join(err, bench.Text(a.out, report.Tables()), c.files(report))
}

func (c *benchCmd) options(a *app) (bench.Options, error) {
	o := bench.Options{Repeat: c.Repeat, Only: c.Only, Full: c.Full, Latency: c.Latency, Dir: c.Dir, Log: a.err}
	var err error
	if o.Program, err = os.Executable(); err != nil {
		return o, fmt.Errorf("bench: this program's own file: %w", err)
	}
	if o.Dir == "" {
		o.Dir = os.TempDir()
	}
	if o.Repeat == 0 {
		o.Repeat = 1
		if c.Full {
			o.Repeat = 5
		}
	}
	sizes := c.Sizes
	if len(sizes) == 0 {
		sizes = []string{"1k", "10k", "100k", "1M"}
		if c.Full {
			sizes = append(sizes, "10M")
		}
	}
	for _, text := range sizes {
		n, err := bench.ParseSize(text)
		if err != nil {
			return o, err
		}
		o.Sizes = append(o.Sizes, n)
	}
	return o, nil
}

// files writes what was asked for.
func (c *benchCmd) files(r *bench.Report) error {
	return fill(
		benchFile{c.JSON, func(w io.Writer) error { return indented(w, r) }},
		benchFile{c.Markdown, func(w io.Writer) error { return bench.Markdown(w, r.Tables()) }},
		benchFile{c.SVG, r.Chart},
	)
}

// benchFile is a file that was asked for, unless its path is "".
type benchFile struct {
	path string
	fill func(io.Writer) error
}

// fill writes files, as many as it can.
func fill(files ...benchFile) error {
	var all error
	for _, f := range files {
		if f.path != "" {
			var content bytes.Buffer
			err := f.fill(&content)
			if err == nil {
				err = os.WriteFile(f.path, content.Bytes(), 0o644) //nolint:gosec // figures are for sharing
			}
			all = errors.Join(all, err)
		}
	}
	return all
}

func indented(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// benchChildCmd is what the benchmark runs in processes of their own.
type benchChildCmd struct {
	What    string        `arg:"" help:"What to measure."`
	Agents  int           `help:"How many."`
	Latency time.Duration `help:"How long they sleep."`
	Data    string        `help:"Directory for data; it must not exist."`
}

// Run prints the figures as JSON.
func (c *benchChildCmd) Run(ctx context.Context, a *app) error {
	got, err := bench.Child(ctx, c.What, c.Agents, c.Latency, c.Data)
	if err != nil {
		return err
	}
	return json.NewEncoder(a.out).Encode(got)
}
