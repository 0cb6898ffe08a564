package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/internal/report"
	"github.com/myriad-sim/myriad/internal/results"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// formatFlags say how the rows are written.
type formatFlags struct {
	Format []report.Format `help:"Formats of the answers; repeatable, or a list: csv, jsonl, parquet." default:"csv,jsonl,parquet" enum:"csv,jsonl,parquet" placeholder:"FORMAT"`
}

// formats are those asked for, each once.
func (f formatFlags) formats() []report.Format {
	var out []report.Format
	for _, known := range report.Formats() {
		if slices.Contains(f.Format, known) {
			out = append(out, known)
		}
	}
	return out
}

// report prints the results of a run and writes its files.
func (s *session) report(ctx context.Context, st *runlog.State) error {
	reproduce := reproduceCommand(st)
	d := results.Report(st, reproduce)
	s.spent(ctx, s.js, st, &d.Summary)
	s.printf("\n%s\n", d.Summary.Ready())
	if err := s.tables(d); err != nil {
		return err
	}
	dir := s.flags.Out
	if dir == "" {
		dir = filepath.Join("myriad-results", st.Run)
	}
	formats := s.flags.formats()
	err := writeFiles(ctx, s.js, st, d, dir, formats, s.screen)
	if ctx.Err() != nil {
		return exitCode{130, fmt.Sprintf("\nStopped before all result files were written. Every answer is on disk. Write the files with:\n  %s show %s --data %s --out %s",
			invocation(), st.Run, quote(s.flags.Data), quote(dir))}
	}
	if err != nil {
		return err
	}
	s.receipt(d.Summary, someFaults)
	s.printf("\nFiles in %s: report.html (open it in a browser), ", dir)
	for _, f := range formats {
		s.printf("%s, ", rowsFile(f))
	}
	s.printf("codebook.md, summary.json\n")
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

// someFaults are told with a receipt; `show --faults` tells all that the log has.
const someFaults = 5

func (s *screen) receipt(sum report.Summary, faults int) {
	s.printf("\nResult hash: %s\n%s%s", sum.ResultHash, report.ReceiptText(sum, s.width), report.FaultsText(sum, s.width, faults, time.Local))
}

// advise says how to do the same with a language model, where none played.
func (s *session) advise(st *runlog.State) {
	if slices.ContainsFunc(st.Scenario.Models, scenario.Model.Outside) {
		return // who knows what it asked
	}
	for _, m := range st.Scenario.Models {
		if m.Behavioural() && !m.Replay() {
			s.printf("\nNo language model was asked. With one (any OpenAI-compatible server):\n  %s run %s --model %s=openai:http://localhost:8000/v1:MODEL\n",
				invocation(), quote(st.Created.File), m.Name)
			return
		}
	}
}

// reproduceCommand is the command that plays a run again.
func reproduceCommand(st *runlog.State) string {
	o := st.Created.Overrides
	begin := "myriad run " + quote(st.Created.File)
	if f := st.Created.Fork; f != nil && f.Round > 0 {
		begin = fmt.Sprintf("myriad fork %s --at-round %d", f.Run, f.Round)
		o.Agents = nil // they are those of the other run
	}
	cmd := []string{begin, fmt.Sprintf("--seed %d", st.Scenario.Seed)}
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

func formatNames(formats []report.Format) []string {
	var out []string
	for _, f := range formats {
		out = append(out, string(f))
	}
	return out
}

func rowsFile(f report.Format) string { return "results." + string(f) }

// writeFiles writes the result files into a directory: each under a temporary name first, so that none is half-written.
func writeFiles(ctx context.Context, js jetstream.JetStream, st *runlog.State, d report.Data, dir string, formats []report.Format, scr *screen) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // results are for sharing
		return fmt.Errorf("results: %w", err)
	}
	if err := writeRows(ctx, js, st, d, dir, formats, scr); err != nil {
		return err
	}
	write := func(name string, fill func(io.Writer) error) error {
		f, err := create(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		defer f.discard()
		if err := fill(f.buf); err != nil {
			return err
		}
		return f.commit()
	}
	return errors.Join(
		write("codebook.md", func(w io.Writer) error { return report.Codebook(w, d.Summary, d.Personas) }),
		write("summary.json", func(w io.Writer) error { return report.WriteJSON(w, d.Summary) }),
		write("report.html", func(w io.Writer) error { return report.HTML(w, d) }),
	)
}

// writeRows writes the rows in all formats at once.
func writeRows(ctx context.Context, js jetstream.JetStream, st *runlog.State, d report.Data, dir string, formats []report.Format, scr *screen) error {
	var files []*newFile
	var writers []report.RowWriter
	defer func() {
		for _, f := range files {
			f.discard()
		}
	}()
	for _, format := range formats {
		f, err := create(filepath.Join(dir, rowsFile(format)))
		if err != nil {
			return err
		}
		files = append(files, f)
		w, err := report.NewRowWriter(format, f.buf, d.Summary, d.Personas)
		if err != nil {
			return err
		}
		writers = append(writers, w)
	}
	shown := scr.export(results.Count(st))
	err := report.Fan(writers, func(write func([]report.Row) error) error {
		return results.Batches(ctx, js, st, func(rows []report.Row) error {
			shown.add(len(rows))
			return write(rows)
		})
	})
	shown.leave(err == nil)
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := f.commit(); err != nil {
			return err
		}
	}
	return removeOthers(dir, formats, scr)
}

// removeOthers removes the rows of an earlier run in formats that were not asked for now: everything in the directory is of
// one run.
func removeOthers(dir string, formats []report.Format, scr *screen) error {
	for _, f := range report.Formats() {
		if slices.Contains(formats, f) {
			continue
		}
		switch err := os.Remove(filepath.Join(dir, rowsFile(f))); {
		case err == nil:
			scr.printf("Removed %s of an earlier run from %s\n", rowsFile(f), dir)
		case !errors.Is(err, os.ErrNotExist):
			return fmt.Errorf("results: %w", err)
		}
	}
	return nil
}

// newFile is a file that has a temporary name until all is in it.
type newFile struct {
	path string
	file *os.File
	buf  *bufio.Writer
}

func create(path string) (*newFile, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return nil, fmt.Errorf("results: %w", err)
	}
	return &newFile{path: path, file: f, buf: bufio.NewWriterSize(f, 1<<16)}, nil
}

// commit puts the file in its place.
func (f *newFile) commit() error {
	if err := errors.Join(f.buf.Flush(), f.file.Chmod(0o644), f.file.Close()); err != nil { //nolint:gosec // results are for sharing
		return fmt.Errorf("results: write %s: %w", f.path, err)
	}
	if err := os.Rename(f.file.Name(), f.path); err != nil {
		return fmt.Errorf("results: %w", err)
	}
	return nil
}

// discard removes what was not committed.
func (f *newFile) discard() {
	_ = f.file.Close() // is closed already if it was committed
	_ = os.Remove(f.file.Name())
}
