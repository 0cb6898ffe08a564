package bench

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, got, 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}

// found is what a benchmark might find: three repeats, with figures that are easy to check by hand.
func found() *Report {
	r := &Report{Machine: Machine{Cores: 2, Memory: 24 << 30}, Latency: 1, Repeat: 3}
	add := func(part string, agents, hosts int, f Figures) {
		var samples []Figures
		for _, slower := range []float64{1.25, 1, 2} { // how slow the machine was
			s := Figures{}
			for name, v := range f {
				switch name {
				case Peak, Rounds:
					s[name] = v
				case MessageRate, ByteRate, AgentRate, RoundRate:
					s[name] = v / slower
				default:
					s[name] = v * slower
				}
			}
			samples = append(samples, s)
		}
		r.Results = append(r.Results, Result{Part: part, Agents: agents, Hosts: hosts, Samples: samples})
	}
	for _, n := range []int{1_000, 100_000, 1_000_000} {
		f := float64(n)
		add("goroutines", n, 0, Figures{Seconds: 1 + f*2e-6, Peak: 20e6 + 2700*f})
		add("run", n, 0, Figures{Seconds: 1 + f*1e-6, Ready: f * 0.5e-6, Wall: 1.2 + f*4e-6, Peak: 40e6 + 900*f})
		add("tcp", n, 1, Figures{Seconds: 1 + f*3e-6, Ready: f * 0.6e-6, Peak: 200e6 + 1000*f})
		add("zero", n, 0, Figures{Rounds: 3, RoundRate: 800_000 / f, AgentRate: 800_000, CPU: 3 * f * 2e-6})
	}
	add("asyncio", 1_000, 0, Figures{Seconds: 1.02, Peak: 12e6})
	r.Results = append(r.Results, Result{Part: "asyncio", Agents: 1_000_000, Skipped: "it would take about 150 s"})
	add("broker", 0, 0, Figures{MessageRate: 6000, ByteRate: 6000 * requestBytes, AgentRate: 6000 * shardAgents})
	add("log", 0, 0, Figures{MessageRate: 4000, ByteRate: 4000 * recordBytes, AgentRate: 4000 * shardAgents})
	add("levelk", 1_000_000, 0, Figures{Rounds: 5, Wall: 12, Seconds: 9, Peak: 800 << 20})
	for hosts, seconds := range map[int]float64{1: 20, 2: 10, 4: 5} {
		add("scaleout", 4*scaleAgents, hosts, Figures{Seconds: seconds})
	}
	add("scaleout", scaleAgents, 1, Figures{Seconds: 5})
	add("scaleout", 2*scaleAgents, 2, Figures{Seconds: 5.1})
	return r
}

func TestTables(t *testing.T) {
	var text, doc bytes.Buffer
	require.NoError(t, Text(&text, found().Tables()))
	golden(t, "tables.txt", text.Bytes())
	require.NoError(t, Markdown(&doc, found().Tables()))
	golden(t, "tables.md", doc.Bytes())
}

// A part that was not measured is left out, not shown as nothing.
func TestTablesOfFewParts(t *testing.T) {
	r := &Report{Latency: 0.05, Results: []Result{{Part: "run", Agents: 200, Samples: []Figures{{Seconds: 0.06, Peak: 2e6}}}, {Part: "log"}}}
	var text bytes.Buffer
	require.NoError(t, Text(&text, r.Tables()))
	golden(t, "few.txt", text.Bytes())
	require.Empty(t, (&Report{}).Tables())
	require.True(t, (&Report{Results: []Result{{Part: "log"}}}).Empty())
	require.False(t, r.Empty())
}

func TestChart(t *testing.T) {
	var drawn bytes.Buffer
	require.NoError(t, found().Chart(&drawn))
	golden(t, "growth.svg", drawn.Bytes())
	for _, r := range []*Report{found(), {}} {
		var svg bytes.Buffer
		require.NoError(t, r.Chart(&svg))
		d := xml.NewDecoder(&svg)
		for {
			_, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
		}
	}
}
