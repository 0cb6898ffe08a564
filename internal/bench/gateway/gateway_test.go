package gateway

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/bench"
)

// The benchmark with small numbers, with the real program: what it measures is there, plausible, and nothing is lost.
func TestQuick(t *testing.T) {
	program := filepath.Join(t.TempDir(), "myriad")
	built, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../../../cmd/myriad").CombinedOutput()
	require.NoError(t, err, string(built))
	parts := []string{batchPart, holdPart, affinityPart} // the others are made of the same, and load_test.go has what is theirs
	r, err := Run(t.Context(), Options{Program: program, Repeat: 1, Quick: true, Only: parts, Dir: t.TempDir(), Log: t.Output()})
	require.NoError(t, err)
	for _, was := range r.Results {
		name := was.Part + ": " + was.Case
		require.Len(t, was.Samples, 1, name)
		f := was.Samples[0]
		require.Positive(t, f[Answered], name)
		require.Equal(t, f[Sent], f[Answered], name)
		require.Zero(t, f[Lost]+f[Twice], name)
		require.Positive(t, f[ServerCPU]+f[ClientCPU], name)
		switch was.Part {
		case batchPart:
			require.Positive(t, f[Rate], name)
			require.Greater(t, f[BatchSize], 2.0, name)
		case holdPart:
			require.Greater(t, f[InFlightPeak], 500.0, name)
			require.LessOrEqual(t, f[InFlightPeak], 1000.0, name)
			require.GreaterOrEqual(t, f[ProxyPeak], f[ProxyStart], name)
		case affinityPart:
			require.Positive(t, f[HitShare], name)
			require.Less(t, f[HitShare], 1.0, name)
			require.GreaterOrEqual(t, f[Even], 0.5, name)
		}
	}
	share := func(together bool) float64 {
		return r.samples(affinityPart, affinityName(asMixed, together))[0][HitShare]
	}
	require.Greater(t, share(true), share(false))
	require.Len(t, r.Tables(), len(parts))
	require.False(t, r.Empty())
}

func TestOptions(t *testing.T) {
	for _, o := range []Options{{Repeat: 0}, {Repeat: 1, Only: []string{"speed"}}} {
		o.Dir, o.Log = t.TempDir(), t.Output()
		r, err := Run(t.Context(), o)
		require.ErrorIs(t, err, bench.ErrOption)
		require.True(t, r.Empty())
		require.Empty(t, r.Tables())
	}
}

// A program that does not start is an error with its name, and the report has what was measured until then.
func TestProgramThatFails(t *testing.T) {
	r, err := Run(t.Context(), Options{Program: filepath.Join(t.TempDir(), "nothing"), Repeat: 1, Dir: t.TempDir(), Log: t.Output()})
	require.ErrorIs(t, err, bench.ErrProcess)
	require.ErrorContains(t, err, batchPart+": "+directName)
	require.True(t, r.Empty())

	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	_, err = Run(ctx, Options{Program: "nothing", Repeat: 1, Dir: t.TempDir(), Log: t.Output()})
	require.Error(t, err)
}

// Every part has measurements, every measurement a name of its own, and long ones are made once.
func TestPlan(t *testing.T) {
	list, err := plan(&lab{}, nil)
	require.NoError(t, err)
	seen := map[string]bool{}
	var parts []string
	for _, m := range list {
		require.False(t, seen[m.part+m.name], m.name)
		seen[m.part+m.name] = true
		parts = append(parts, m.part)
		require.Equal(t, m.part == holdPart, m.once)
	}
	var all []string
	for _, p := range Parts() {
		all = append(all, p[0])
	}
	require.Equal(t, all, slices.Compact(parts))

	some, err := plan(&lab{}, []string{latencyPart})
	require.NoError(t, err)
	require.Len(t, some, 6)
}

// found is what a benchmark might find: every measurement in three repeats, with figures that are easy to check by hand.
func found(t *testing.T) *Report {
	list, err := plan(&lab{}, nil)
	require.NoError(t, err)
	r := &Report{Repeat: 3}
	for i, m := range list {
		var samples []bench.Figures
		for _, slower := range []float64{1.25, 1, 2} { // how slow the machine was
			samples = append(samples, bench.Figures{
				Rate: float64(1000*(i+1)) / slower, P50: 0.2 * slower, P99: 0.2 * slower * float64(i), BatchSize: 1, HitShare: 0.5, Even: 0.5,
				Sent: 100, Answered: 100, Lost: 0, Twice: 0, InFlight: 25, InFlightPeak: 30, ProxyStart: 1 << 20, ProxyPeak: 3 << 20, ProxyEnd: 2 << 20,
				ClientCPU: 1e-6 * slower, ServerCPU: 2e-6 * slower,
			})
		}
		r.Results = append(r.Results, Result{Part: m.part, Case: m.name, Samples: samples})
	}
	return r
}

// Ratios are taken within a repeat: a machine that is slow for a while changes none.
func TestTables(t *testing.T) {
	r := found(t)
	tables := r.Tables()
	require.Len(t, tables, len(Parts()))
	for _, table := range tables {
		require.NotEmpty(t, table.Rows, table.Title)
		for _, row := range table.Rows {
			require.Len(t, row, len(table.Head), table.Title)
		}
	}
	require.Equal(t, []string{directName, "1.00", "800 (500–1,000)", "–", "3.75 (3.00–6.00)", "–", "1.25 (1.00–2.00)", "–", "–", "2.50 (2.00–4.00)"}, tables[0].Rows[0])
	require.Equal(t, "3.00", tables[0].Rows[2][3], "the gateway is the third measurement")
	require.Equal(t, "1.00", tables[0].Rows[2][5], "all take as much time of cores")
	require.Equal(t, []string{holdBatches, "25.0", "30.0", "100", "100", "0.000", "0.000", "1.00", "3.00", "2.00"}, tables[4].Rows[0])
	require.Equal(t, "0.000", tables[5].Rows[0][6], "added at the median")
	require.Equal(t, "250 (200–400)", tables[5].Rows[0][9], "added at the 99th percentile")

	r.Quick = true
	var text bytes.Buffer
	require.NoError(t, bench.Text(&text, r.Tables()))
	require.Contains(t, text.String(), "Measured with --quick")
}

// What was not measured is left out.
func TestTablesOfFewParts(t *testing.T) {
	r := found(t)
	for i := range r.Results {
		if r.Results[i].Part != plainPart {
			r.Results[i].Samples = nil
		}
	}
	tables := r.Tables()
	require.Len(t, tables, 1)
	require.Equal(t, none, tables[0].Rows[0][2], "there is nothing to compare with")
}
