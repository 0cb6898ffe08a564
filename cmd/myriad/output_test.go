package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/report"
)

// call calls the command line in this process.
func call(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = realMain(t.Context(), args, &out, &err)
	return code, out.String(), err.String()
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestFormatsOfRows(t *testing.T) {
	dir := t.TempDir()
	game := filepath.Join("..", "..", "examples", "guess-two-thirds.yaml")
	data, first, second := filepath.Join(dir, "data"), filepath.Join(dir, "first"), filepath.Join(dir, "second")

	code, _, stderr := call(t, "run", game, "--data", data, "--format", "xlsx")
	require.Equal(t, 2, code)
	for _, f := range report.Formats() {
		require.Contains(t, stderr, string(f))
	}
	require.NoDirExists(t, data)

	code, stdout, stderr := call(t, "run", game, "--agents", "50", "--rounds", "1", "--data", data, "--out", first, "--json")
	require.Zero(t, code, stderr)
	require.Regexp(t, `(?m)^50 agents ready in [0-9.]+ s$`, stderr)
	require.Equal(t, []string{"codebook.md", "report.html", "results.csv", "results.jsonl", "results.parquet", "summary.json"}, names(t, first))
	var s report.Summary
	require.NoError(t, json.Unmarshal([]byte(stdout), &s))
	require.Positive(t, s.ReadySeconds)

	code, _, stderr = call(t, "show", s.Run, "--data", data, "--out", second, "--format", "parquet,csv", "--format", "csv")
	require.Zero(t, code, stderr)
	require.Equal(t, []string{"codebook.md", "report.html", "results.csv", "results.parquet", "summary.json"}, names(t, second))
	for _, name := range names(t, second) {
		one, err := os.ReadFile(filepath.Join(first, name))
		require.NoError(t, err)
		other, err := os.ReadFile(filepath.Join(second, name))
		require.NoError(t, err)
		if name != "report.html" && name != "summary.json" { // which say until when the run went
			require.True(t, bytes.Equal(one, other), name)
		}
	}
}

func TestADirectoryIsOfOneRun(t *testing.T) {
	dir := t.TempDir()
	game := filepath.Join("..", "..", "examples", "guess-two-thirds.yaml")
	out := filepath.Join(dir, "out")
	play := []string{"run", game, "--agents", "5", "--rounds", "1", "--data", filepath.Join(dir, "data"), "--out", out}
	code, _, stderr := call(t, play...)
	require.Zero(t, code, stderr)
	require.NoError(t, os.WriteFile(filepath.Join(out, "notes.txt"), nil, 0o600))
	code, stdout, stderr := call(t, append(play, "--format", "jsonl")...)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "Removed results.csv of an earlier run")
	require.Equal(t, []string{"codebook.md", "notes.txt", "report.html", "results.jsonl", "summary.json"}, names(t, out))
}

func TestResumeKeepsTheFormats(t *testing.T) {
	s := &session{flags: outputFlags{Data: "./myriad-data", formatFlags: formatFlags{Format: report.Formats()}}}
	require.NotContains(t, s.resumeCommand("r1"), "--format")
	s.flags.Format = []report.Format{report.FormatParquet}
	require.Contains(t, s.resumeCommand("r1"), " resume r1 --format parquet")
}

func TestNewFilesAreWholeOrAbsent(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.txt")
	require.NoError(t, os.WriteFile(path, []byte("before"), 0o600))
	f, err := create(path)
	require.NoError(t, err)
	_, err = f.buf.WriteString("half")
	require.NoError(t, err)
	f.discard()
	require.Equal(t, []string{"a.txt"}, names(t, dir))

	f, err = create(path)
	require.NoError(t, err)
	_, err = f.buf.WriteString("after")
	require.NoError(t, errors.Join(err, f.commit()))
	f.discard()
	require.Equal(t, []string{"a.txt"}, names(t, dir))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "after", string(text))
}

func TestLongExportsShowProgress(t *testing.T) {
	var out strings.Builder
	scr := &screen{text: &out, width: 80}
	e := scr.export(1000)
	e.add(100)
	require.Empty(t, out.String(), "short ones say nothing")
	e.line = time.Now().Add(-time.Millisecond)
	e.add(100)
	e.add(100)
	e.leave(true)
	require.Equal(t, "Writing results: 200 of 1000 rows\n", out.String())

	out.Reset()
	scr.tty = true
	e = scr.export(1000)
	e.line = time.Now().Add(-time.Millisecond)
	e.add(400)
	e.add(600)
	e.leave(true)
	require.Contains(t, out.String(), "Writing results")
	require.Contains(t, out.String(), "1000/1000")
	require.Nil(t, scr.bar)
}
