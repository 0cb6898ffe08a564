package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/internal/report"
	"github.com/myriad-sim/myriad/internal/results"
	"github.com/myriad-sim/myriad/internal/runlog"
)

// report prints the results of a run and writes its files.
func (s *session) report(ctx context.Context, st *runlog.State) error {
	reproduce := reproduceCommand(st)
	d := results.Report(st, reproduce)
	if err := s.tables(d); err != nil {
		return err
	}
	dir := s.flags.Out
	if dir == "" {
		dir = filepath.Join("myriad-results", st.Run)
	}
	if err := writeFiles(ctx, s.js, st, d, dir, s.screen); err != nil {
		return err
	}
	s.receipt(d.Summary)
	s.printf("\nFiles in %s: report.html (open it in a browser), results.csv, results.jsonl, codebook.md, summary.json\n", dir)
	s.advise(st)
	if s.flags.JSON {
		return report.WriteJSON(s.app.out, d.Summary)
	}
	return nil
}

// tables prints the table and the histograms.
func (s *screen) tables(d report.Data) error {
	s.printf("\n")
	if err := report.Table(s.text, d.Summary, s.width, s.color); err != nil {
		return err
	}
	s.printf("\n")
	return report.TextHistogram(s.text, d, s.width, s.color)
}

func (s *screen) receipt(sum report.Summary) {
	r := sum.Receipt
	s.printf("\nResult hash: %s\n", sum.ResultHash)
	s.printf("Receipt: %s lost, %s dropped, at most %s repeated, %s survived\n", plural(r.Lost, "answer", "answers"),
		plural(r.Duplicates, "duplicate", "duplicates"), plural(r.RepeatedCalls, "call", "calls"), plural(r.Faults, "fault", "faults"))
}

// advise says how to do the same with a language model, where none played.
func (s *session) advise(st *runlog.State) {
	for _, m := range st.Scenario.Models {
		if m.Behavioural() {
			s.printf("\nNo language model was asked. With one (any OpenAI-compatible server):\n  %s run %s --model %s=openai:http://localhost:8000/v1:MODEL\n",
				invocation(), quote(st.Created.File), m.Name)
			return
		}
	}
}

// reproduceCommand is the command that plays a run again.
func reproduceCommand(st *runlog.State) string {
	o := st.Created.Overrides
	cmd := []string{"myriad run", quote(st.Created.File), fmt.Sprintf("--seed %d", st.Scenario.Seed)}
	if o.Agents != nil {
		cmd = append(cmd, fmt.Sprintf("--agents %d", *o.Agents))
	}
	if o.Rounds != nil {
		cmd = append(cmd, fmt.Sprintf("--rounds %d", *o.Rounds))
	}
	for _, k := range sortedKeys(o.Set) {
		cmd = append(cmd, "--set "+quote(k+"="+o.Set[k]))
	}
	for _, k := range sortedKeys(o.Models) {
		cmd = append(cmd, "--model "+quote(k+"="+o.Models[k]))
	}
	return strings.Join(cmd, " ")
}

// writeFiles writes the result files into a directory: each under a temporary name first, so that none is half-written.
func writeFiles(ctx context.Context, js jetstream.JetStream, st *runlog.State, d report.Data, dir string, scr *screen) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // results are for sharing
		return fmt.Errorf("results: %w", err)
	}
	write := func(name string, fill func(io.Writer) error) error {
		return replaceFile(filepath.Join(dir, name), fill)
	}
	names := results.Personas(st.Scenario)
	rows := func(csvOut, jsonOut io.Writer) error {
		csv, jsonl := report.NewCSV(csvOut, names), report.NewJSONL(jsonOut, names)
		n := 0
		err := results.Rows(ctx, js, st, func(r *report.Row) error {
			n++
			if n%1_000_000 == 0 {
				scr.printf("Writing results: %d rows\n", n)
			}
			return errors.Join(csv.Write(*r), jsonl.Write(*r))
		})
		return errors.Join(err, csv.Close(), jsonl.Close())
	}
	return errors.Join(
		write("results.csv", func(c io.Writer) error {
			return write("results.jsonl", func(j io.Writer) error { return rows(c, j) })
		}),
		write("codebook.md", func(w io.Writer) error { return report.Codebook(w, d.Summary, d.Personas) }),
		write("summary.json", func(w io.Writer) error { return report.WriteJSON(w, d.Summary) }),
		write("report.html", func(w io.Writer) error { return report.HTML(w, d) }),
	)
}

func replaceFile(path string, fill func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("results: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already when all went well
	buf := bufio.NewWriterSize(f, 1<<16)
	if err := errors.Join(fill(buf), buf.Flush(), f.Chmod(0o644), f.Close()); err != nil { //nolint:gosec // results are for sharing
		return fmt.Errorf("results: write %s: %w", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("results: %w", err)
	}
	return nil
}
