package report_test

import (
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/report"
	"github.com/myriad-sim/myriad/internal/stats"
)

// benchRows is how many rows are written at a time.
const benchRows = 1024

// played are rows as a run of the guessing game gives them.
func played() ([]report.Row, []report.Persona) {
	personas := []report.Persona{
		persona("education", "high school", "some college", "Bachelor's degree", "Ph.D."),
		persona("age", "18-24", "25-34", "35-44", "45-54", "55-64", "65 or older"),
	}
	rows := make([]report.Row, benchRows)
	for i := range rows {
		guess := int64(i*7919%1000) * 100_003
		rows[i] = report.Row{
			Run: "guess-two-thirds-m27q5kym", Replicate: 1, Round: 1, Agent: i, Block: "players", Question: "guess", Status: stats.Answered,
			Value: report.Number(guess, 6), Raw: fmt.Sprintf("%.6f", float64(guess)/1e6), Model: "player",
			PromptSHA: uint64(i) * 0x9e3779b97f4a7c15, Attempts: 1, Personas: []uint16{uint16(i % 4), uint16(i % 6)}, //nolint:gosec // small
		}
	}
	return rows, personas
}

func benchmarkFormat(b *testing.B, f report.Format) {
	rows, personas := played()
	w, err := report.NewRowWriter(f, io.Discard, guess(10, 1).Summary, personas)
	require.NoError(b, err)
	b.ReportAllocs()
	first := 0
	for b.Loop() {
		for i := range rows {
			rows[i].Agent = first + i
		}
		first += len(rows)
		if err := w.Write(rows); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*benchRows), "ns/row")
}

func BenchmarkCSV(b *testing.B)     { benchmarkFormat(b, report.FormatCSV) }
func BenchmarkJSONL(b *testing.B)   { benchmarkFormat(b, report.FormatJSONL) }
func BenchmarkParquet(b *testing.B) { benchmarkFormat(b, report.FormatParquet) }
