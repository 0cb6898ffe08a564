package stats

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Figures gathered block by block, in any order, are those of the whole column, whatever bounds were expected.
func TestRunningIsTheColumn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := &Column{Decimals: rapid.IntRange(0, 6).Draw(t, "decimals")}
		reach := rapid.SampledFrom([]int64{0, 3, 500, 40_000, 1 << 41}).Draw(t, "reach")
		n := rapid.IntRange(0, 3).Draw(t, "thousands")*2000 + rapid.IntRange(0, 50).Draw(t, "answers")
		some := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) int64 { return rapid.Int64Range(-reach, reach).Draw(t, "value") }), 1, 40).Draw(t, "values")
		statuses := rapid.SliceOfN(rapid.SampledFrom([]Status{Answered, Extracted, Refused, Missing, Fallback}), 1, 9).Draw(t, "statuses")
		for i := range n {
			s := statuses[i%len(statuses)]
			v := some[(i*7)%len(some)]
			if !s.Valid() {
				v = 0
			}
			c.Status, c.Values = append(c.Status, s), append(c.Values, v)
		}
		lo, hi := Float(-reach, c.Decimals), Float(reach, c.Decimals)
		switch rapid.IntRange(0, 3).Draw(t, "bounds") {
		case 1:
			lo, hi = math.Inf(-1), math.Inf(1)
		case 2:
			lo, hi = lo/4, hi/3 // which answers do not keep to
		}
		bins := rapid.IntRange(1, 60).Draw(t, "bins")
		r := NewRunning(c.Decimals, n, bins, lo, hi)
		block := rapid.IntRange(1, 1024).Draw(t, "block")
		var starts []int
		for from := 0; from < n; from += block {
			starts = append(starts, from)
		}
		for _, from := range rapid.Permutation(starts).Draw(t, "order") {
			end := min(n, from+block)
			r.Add(c.Status[from:end], c.Values[from:end])
		}
		require.Equal(t, c.Counts(), r.Counts())
		got, want := r.Summary(c), c.Summarise()
		require.Equal(t, want, got)
		if want.HasNumbers {
			sorted := c.sorted()
			require.InDelta(t, median(sorted, c.Decimals), got.Median, 0)
			require.Equal(t, mode(sorted, c.Decimals), got.Mode)
		}
		for _, b := range [][2]float64{{lo, hi}, {Float(-reach, c.Decimals), Float(reach, c.Decimals)}} {
			require.Equal(t, c.Histogram(bins, b[0], b[1]), r.Histogram(c, bins, b[0], b[1]))
		}
	})
}
