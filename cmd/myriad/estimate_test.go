package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	forecast "github.com/myriad-sim/myriad/internal/estimate"
	"github.com/myriad-sim/myriad/internal/report"
)

const shape = `version: 1
name: shape
rounds: %d
population: {size: %d}
models: {a: {provider: dummy, latency: 1ms}, b: {provider: dummy, latency: 1ms}}
agents: {as: {model: a, count: %d}, bs: {model: b, count: %d}}
turn:
  - {id: q0, ask: "?", answer: {type: number, min: 0, max: 9}}
%s`

// A run makes exactly the calls that were foreseen.
func TestTheForecastHasTheCallsOfTheRun(t *testing.T) {
	for _, c := range []struct{ rounds, as, bs, questions int }{{1, 1, 1, 1}, {3, 7, 2, 1}, {2, 30, 5, 3}} {
		more := ""
		for q := 1; q < c.questions; q++ {
			more += fmt.Sprintf("  - {id: q%d, ask: '{{.answers.q0}}?', answer: {type: number, min: 0, max: 9}}\n", q)
		}
		dir := t.TempDir()
		file := filepath.Join(dir, "shape.yaml")
		require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, shape, c.rounds, c.as+c.bs, c.as, c.bs, more), 0o600))
		var f forecast.Forecast
		command(t, &f, "estimate", file, "--json")
		var s report.Summary
		command(t, &s, "run", file, "--json", "--data", filepath.Join(dir, "data"), "--out", filepath.Join(dir, "out"), "--format", "csv")
		made, foreseen := 0, uint64(0)
		for _, r := range s.Rounds {
			made += r.Calls
		}
		for _, m := range f.Models {
			foreseen += m.Calls
		}
		require.Equal(t, c.rounds*(c.as+c.bs)*c.questions, made)
		require.Equal(t, uint64(made), foreseen)
	}
}

// command runs a command of this program that prints JSON.
func command(t *testing.T, out any, args ...string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	require.Zero(t, realMain(t.Context(), args, &stdout, &stderr), stderr.String())
	require.NoError(t, json.Unmarshal(stdout.Bytes(), out), stdout.String())
}

func TestEstimateRefuses(t *testing.T) {
	file := filepath.Join("..", "..", "examples", "guess-two-thirds-llm.yaml")
	for _, args := range [][]string{
		{"--bytes-per-token", "0"}, {"--repairs", "-1"}, {"--reply-tokens", "-1"}, {"--calls-per-second", "-1"}, {"--sample", "1"},
		{"--prices", "nowhere.yaml"}, {"--set", "vars.ration=1"}, {"--calls-per-second", "1", "--tokens-per-second", "1"},
	} {
		var stdout, stderr bytes.Buffer
		require.NotZero(t, realMain(t.Context(), append([]string{"estimate", file}, args...), &stdout, &stderr), args)
		require.Contains(t, stderr.String(), args[0][2:5], "it says what is wrong")
		require.Empty(t, stdout.String())
	}
}
