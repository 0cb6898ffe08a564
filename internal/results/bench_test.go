package results

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/report"
)

// BenchmarkRows is the reading of two rounds of 100,000 answers, from the log to rows.
func BenchmarkRows(b *testing.B) {
	const agents, rounds = 100_000, 2
	l := newLogOf(b, oneNumber, "r1", agents, 1024)
	l.playNumbers(rounds)
	s := l.read()
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		require.NoError(b, Batches(b.Context(), l.js, s, func(rows []report.Row) error {
			n += len(rows)
			return nil
		}))
		require.Equal(b, Count(s), n)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*agents*rounds), "ns/row")
}
