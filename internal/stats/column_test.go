package stats_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/internal/stats"
)

// column draws columns that hit the special paths: repeats, halves, few values, huge values, no valid ones.
func column(decimals int) *rapid.Generator[*stats.Column] {
	values := rapid.OneOf(
		rapid.Int64Range(-20, 20),
		rapid.Int64Range(0, 100_000_000),
		rapid.Int64Range(-math.MaxInt64, math.MaxInt64),
		rapid.SampledFrom([]int64{math.MaxInt64, -math.MaxInt64, 0, 1, -1}),
	)
	return rapid.Custom(func(t *rapid.T) *stats.Column {
		n := rapid.IntRange(0, 40).Draw(t, "n")
		often := values.Draw(t, "often")
		c := &stats.Column{Decimals: decimals}
		for range n {
			s := stats.Status(rapid.IntRange(0, int(stats.Missing)).Draw(t, "status"))
			v := int64(0)
			if s.Valid() {
				v = rapid.OneOf(values, rapid.Just(often)).Draw(t, "value")
			}
			c.Status, c.Values = append(c.Status, s), append(c.Values, v)
		}
		return c
	})
}

var unit = func() [stats.MaxDecimals + 1]*big.Rat {
	var out [stats.MaxDecimals + 1]*big.Rat
	for i := range out {
		out[i] = new(big.Rat).SetFrac(big.NewInt(1), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(i)), nil))
	}
	return out
}()

// exact returns the valid values of c as rationals in ascending order.
func exact(c *stats.Column) []*big.Rat {
	var out []*big.Rat
	for i, s := range c.Status {
		if s.Valid() {
			out = append(out, new(big.Rat).Mul(new(big.Rat).SetInt64(c.Values[i]), unit[c.Decimals]))
		}
	}
	slices.SortFunc(out, (*big.Rat).Cmp)
	return out
}

func nearest(r *big.Rat) float64 {
	f, _ := r.Float64()
	return f
}

func TestSummariseAgreesWithRationals(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := column(rapid.IntRange(0, stats.MaxDecimals).Draw(t, "decimals")).Draw(t, "column")
		s, x := c.Summarise(), exact(c)
		n := int64(len(x))
		require.Equal(t, len(x), s.Valid)
		require.Equal(t, len(x) > 0, s.HasNumbers)
		if n == 0 {
			require.Equal(t, c.Counts(), s)
			return
		}
		sum := new(big.Rat)
		for _, v := range x {
			sum.Add(sum, v)
		}
		mean := new(big.Rat).Quo(sum, new(big.Rat).SetInt64(n))
		require.Equal(t, nearest(mean), s.Mean)
		require.InDelta(t, nearest(x[0]), s.Min, math.Abs(s.Min)*1e-15)
		require.InDelta(t, nearest(x[n-1]), s.Max, math.Abs(s.Max)*1e-15)
		middle := new(big.Rat).Add(x[(n-1)/2], x[n/2])
		require.Equal(t, nearest(middle.Quo(middle, new(big.Rat).SetInt64(2))), s.Median)
		if n == 1 {
			require.Zero(t, s.Std)
		} else {
			scatter := new(big.Rat)
			for _, v := range x {
				d := new(big.Rat).Sub(v, mean)
				scatter.Add(scatter, d.Mul(d, d))
			}
			want := math.Sqrt(nearest(scatter.Quo(scatter, new(big.Rat).SetInt64(n-1))))
			require.InDelta(t, want, s.Std, want*1e-14)
		}
		requireMode(t, x, s.Mode)
		got, ok := c.Sum()
		require.True(t, ok)
		require.Equal(t, nearest(sum), got)
	})
}

func requireMode(t *rapid.T, sorted []*big.Rat, mode *float64) {
	counts := map[string]int{}
	most := 0
	rounded := func(v *big.Rat) *big.Rat { // half away from zero, without a minus zero
		r, ok := new(big.Rat).SetString(v.FloatString(2))
		require.True(t, ok)
		return r
	}
	for _, v := range sorted {
		key := rounded(v).String()
		counts[key]++
		most = max(most, counts[key])
	}
	if most < 2 {
		require.Nil(t, mode)
		return
	}
	for _, v := range sorted { // ascending: the first of the most frequent is the lowest
		if want := rounded(v); counts[want.String()] == most {
			require.NotNil(t, mode)
			require.InDelta(t, nearest(want), *mode, math.Abs(*mode)*1e-15)
			return
		}
	}
}

func TestFiguresIgnoreOrderAndThreads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := column(rapid.IntRange(0, 6).Draw(t, "decimals")).Draw(t, "column")
		want := c.Summarise()
		shuffled := &stats.Column{Decimals: c.Decimals, Status: slices.Clone(c.Status), Values: slices.Clone(c.Values)}
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		r.Shuffle(len(c.Status), func(i, j int) {
			shuffled.Status[i], shuffled.Status[j] = shuffled.Status[j], shuffled.Status[i]
			shuffled.Values[i], shuffled.Values[j] = shuffled.Values[j], shuffled.Values[i]
		})
		require.Equal(t, want, shuffled.Summarise())
	})
	many := million(200_000)
	want := many.Summarise()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	require.Equal(t, want, many.Summarise())
}

func TestLargeColumnsSortRight(t *testing.T) {
	// Beyond the size where radix sort takes over, for ranges of every number of passes.
	for shift := range 63 {
		c := &stats.Column{}
		r := rand.New(rand.NewPCG(uint64(shift), 7))
		for range 5000 {
			c.Status = append(c.Status, stats.Answered)
			c.Values = append(c.Values, r.Int64N(1<<shift)-1<<shift/2)
		}
		sorted := slices.Sorted(slices.Values(c.Values))
		for _, p := range []float64{0, 0.25, 0.5, 0.75, 1} {
			got, ok := c.Quantile(p)
			require.True(t, ok)
			at := p * 4999
			low, high := new(big.Rat).SetInt64(sorted[int(at)]), new(big.Rat).SetInt64(sorted[min(int(at)+1, 4999)])
			step := new(big.Rat).Sub(high, low)
			step.Mul(step, new(big.Rat).SetFloat64(at-math.Floor(at)))
			require.Equal(t, nearest(low.Add(low, step)), got)
		}
		median, _ := c.Median()
		quantile, _ := c.Quantile(0.5)
		require.Equal(t, median, quantile)
	}
}

func TestColumnMethodsAgreeWithSummary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := column(rapid.IntRange(0, 6).Draw(t, "decimals")).Draw(t, "column")
		s := c.Summarise()
		require.Equal(t, s.Valid, c.Count())
		mean, ok := c.Mean()
		require.Equal(t, s.HasNumbers, ok)
		require.Equal(t, s.Mean, mean)
		lo, hi, ok := c.MinMax()
		require.Equal(t, s.HasNumbers, ok)
		require.Equal(t, []float64{s.Min, s.Max}, []float64{lo, hi})
		std, ok := c.Std()
		require.Equal(t, s.Valid > 1, ok)
		require.Equal(t, s.Std, std)
		median, ok := c.Median()
		require.Equal(t, s.HasNumbers, ok)
		require.Equal(t, s.Median, median)
		_, ok = c.Sum()
		require.Equal(t, s.HasNumbers, ok)
		for _, p := range []float64{-0.1, 1.1, math.NaN()} {
			_, ok = c.Quantile(p)
			require.False(t, ok)
		}
		first, ok := c.Quantile(0)
		require.Equal(t, s.HasNumbers, ok)
		require.InDelta(t, s.Min, first, math.Abs(s.Min)*1e-15)
	})
}

func TestCountsByStatus(t *testing.T) {
	c := &stats.Column{
		Status: []stats.Status{0, stats.Answered, stats.Answered, stats.Extracted, stats.Repaired, stats.Refused, stats.Fallback, stats.Missing, stats.Missing},
		Values: []int64{99, 1, 2, 2, 0, 99, 1, 99, 99},
	}
	require.Equal(t, stats.Summary{Answers: 8, Valid: 5, Extracted: 1, Repaired: 1, Refused: 1, Fallback: 1, Missing: 2}, c.Counts())
	for index, want := range []float64{0.2, 0.4, 0.4, 0} {
		share, ok := c.Share(index)
		require.True(t, ok)
		require.Equal(t, want, share)
	}
	_, ok := (&stats.Column{}).Share(0)
	require.False(t, ok)
}

// million is n answers in [0, 100] at six decimals, some of them missing.
func million(n int) *stats.Column {
	c := &stats.Column{Decimals: 6, Status: make([]stats.Status, n), Values: make([]int64, n)}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		c.Status[i] = stats.Answered
		if r.IntN(100) == 0 {
			c.Status[i] = stats.Missing
			continue
		}
		c.Values[i] = r.Int64N(100_000_001)
	}
	return c
}

func BenchmarkSummariseMillion(b *testing.B) {
	c := million(1_000_000)
	b.ReportAllocs()
	for b.Loop() {
		if s := c.Summarise(); !s.HasNumbers {
			b.Fatal("no numbers")
		}
	}
}

func BenchmarkHistogramMillion(b *testing.B) {
	c := million(1_000_000)
	for b.Loop() {
		c.Histogram(50, 0, 100)
	}
}

func BenchmarkWinnersMillion(b *testing.B) {
	c := million(1_000_000)
	for b.Loop() {
		c.Winners(33.3, 0.5)
	}
}
