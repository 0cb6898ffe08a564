package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/myriad-sim/myriad/internal/bench"
	"github.com/myriad-sim/myriad/internal/bench/gateway"
)

type benchLLMProxyCmd struct {
	Repeat   int      `help:"Measure rates so often; medians, lowest and highest are shown." default:"3" placeholder:"N"`
	Quick    bool     `help:"Small numbers, once, in less than a minute: to see that it works. The figures mean little."`
	Only     []string `help:"Measure only these parts." placeholder:"PART,…"`
	Dir      string   `help:"Where data and profiles are kept; default the directory for temporary files." placeholder:"DIR"`
	Profiles bool     `help:"Write CPU profiles of the gateway at work into the directory, for go tool pprof."`
	JSON     string   `name:"json" help:"Write every sample into a file, as JSON." placeholder:"FILE"`
	Markdown string   `help:"Write the tables into a file, as Markdown." placeholder:"FILE"`
}

// Help is shown by --help.
func (benchLLMProxyCmd) Help() string {
	var b strings.Builder
	b.WriteString("Measures the gateway to model servers beside clients that do without it, on look-alikes of servers. Parts:\n")
	for _, p := range gateway.Parts() {
		fmt.Fprintf(&b, "  %-9s %s\n", p[0], p[1])
	}
	return b.String() + `
Examples:
  myriad bench-llmproxy                                 a quarter of an hour
  myriad bench-llmproxy --quick
  myriad bench-llmproxy --only batch,single --repeat 5 --profiles --dir .`
}

// Run measures, and prints the tables also when something failed on the way.
func (c *benchLLMProxyCmd) Run(ctx context.Context, a *app) error {
	o := gateway.Options{Repeat: c.Repeat, Only: c.Only, Quick: c.Quick, Dir: c.Dir, Profiles: c.Profiles, Log: a.err}
	var err error
	if o.Program, err = os.Executable(); err != nil {
		return fmt.Errorf("bench: this program's own file: %w", err)
	}
	if o.Dir == "" {
		o.Dir = os.TempDir()
	}
	if c.Quick {
		o.Repeat = 1
	}
	report, err := gateway.Run(ctx, o)
	if ctx.Err() != nil {
		err = exitCode{130, "Stopped."}
	}
	if report.Empty() {
		return err
	}
	return errors.Join(err, bench.Text(a.out, report.Tables()), fill(
		benchFile{c.JSON, func(w io.Writer) error { return indented(w, report) }},
		benchFile{c.Markdown, func(w io.Writer) error { return bench.Markdown(w, report.Tables()) }},
	))
}

// benchGatewayChildCmd is what the benchmark of the gateway runs in processes of their own.
type benchGatewayChildCmd struct {
	Load string `arg:"" help:"What to do, as JSON."`
}

// Run prints the figures as JSON.
func (c *benchGatewayChildCmd) Run(ctx context.Context, a *app) error {
	got, err := gateway.Child(ctx, c.Load, a.out)
	if err != nil || got == nil {
		return err
	}
	return json.NewEncoder(a.out).Encode(got)
}
