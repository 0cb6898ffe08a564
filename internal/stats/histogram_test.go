package stats_test

import (
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/internal/stats"
)

func of(decimals int, values ...int64) *stats.Column {
	c := &stats.Column{Decimals: decimals, Values: values}
	for range values {
		c.Status = append(c.Status, stats.Answered)
	}
	return c
}

func TestHistogramEdgesAreExact(t *testing.T) {
	// 0.29 / 0.01 is 28.999… in floats.
	values := make([]int64, 0, 101)
	for i := range int64(101) {
		values = append(values, i)
	}
	counts := of(2, values...).Histogram(100, 0, 1)
	for i, n := range counts[:99] {
		require.Equal(t, 1, n, "bin %d", i)
	}
	require.Equal(t, 2, counts[99], "the upper end belongs to the last bin")

	require.Equal(t, []int{3, 0}, of(0, 5, 5, 5).Histogram(2, 5, 5))
	require.Equal(t, []int{1, 1}, of(0, 1, 4, 9, -9).Histogram(2, 1, 5), "outside values are not counted")
}

func TestHistogramRefuses(t *testing.T) {
	c := of(0, 1, 2)
	require.Nil(t, c.Histogram(0, 0, 1))
	require.Nil(t, c.Histogram(3, 1, 0))
	require.Nil(t, c.Histogram(3, math.NaN(), 1))
	require.Nil(t, c.Histogram(3, 0, math.Inf(1)))
}

func TestHistogramAgreesWithRationals(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := column(0).Draw(t, "column")
		bins := rapid.IntRange(1, 60).Draw(t, "bins")
		lo := rapid.Int64Range(-1<<50, 1<<50).Draw(t, "lo")
		hi := rapid.Int64Range(lo+1, 1<<51).Draw(t, "hi")
		want := make([]int, bins)
		for i, s := range c.Status {
			v := c.Values[i]
			if !s.Valid() || v < lo || v > hi {
				continue
			}
			at := new(big.Int).Mul(big.NewInt(v-lo), big.NewInt(int64(bins)))
			want[min(int(at.Quo(at, big.NewInt(hi-lo)).Int64()), bins-1)]++
		}
		require.Equal(t, want, c.Histogram(bins, float64(lo), float64(hi)))
	})
}

func TestWinnersTies(t *testing.T) {
	noisy := 22.5 + 4e-15 // what an expression may compute instead of 22.5
	for name, c := range map[string]struct {
		column         *stats.Column
		target, within float64
		want           stats.Winners
	}{
		"tie across the target": {of(0, 23, 22, 30, 22), 22.5, 0.5, stats.Winners{Nearest: 3, Agents: []int{0, 1, 3}, Within: 3}},
		"float noise":           {of(0, 23, 22, 30), noisy, 0.5, stats.Winners{Nearest: 2, Agents: []int{0, 1}, Within: 2}},
		"one side":              {of(0, 10, 11, 12), 22.5, 0, stats.Winners{Nearest: 1, Agents: []int{2}}},
		"negative target":       {of(1, -15, -16, -14), -1.55, 0.05, stats.Winners{Nearest: 2, Agents: []int{0, 1}, Within: 2}},
		"inclusive":             {of(1, 3, 1, 2), 0.2, 0.1, stats.Winners{Nearest: 1, Agents: []int{2}, Within: 3}}, // 0.3-0.2 > 0.1 in floats
		"huge target":           {of(0, 1, 5), 1e300, 1, stats.Winners{Nearest: 1, Agents: []int{1}}},
		"huge negative target":  {of(0, 1, 5), -1e300, 1, stats.Winners{Nearest: 1, Agents: []int{0}}},
		"everything is within":  {of(0, 1, 5), 2, math.Inf(1), stats.Winners{Nearest: 1, Agents: []int{0}, Within: 2}},
		"negative within":       {of(0, 1, 5), 1, -1, stats.Winners{Nearest: 1, Agents: []int{0}}},
		"no distance":           {of(0, 1, 5), 1, math.NaN(), stats.Winners{Nearest: 1, Agents: []int{0}}},
		"no target":             {of(0, 1, 5), math.NaN(), 1, stats.Winners{}},
		"nobody":                {of(0), 1, 1, stats.Winners{}},
		"only the first are named": {of(0, make([]int64, 25)...), 0, 0, stats.Winners{
			Nearest: 25, Agents: []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, Within: 25}},
	} {
		require.Equal(t, c.want, c.column.Winners(c.target, c.within), name)
	}
}

func TestWinnersAgreeWithRationals(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		decimals := rapid.IntRange(0, 6).Draw(t, "decimals")
		c := column(decimals).Draw(t, "column")
		// Targets on a grid of halves, which floats hold exactly, so that ties happen.
		halves := rapid.Int64Range(-60, 60).Draw(t, "halves")
		target := new(big.Rat).Mul(big.NewRat(halves, 2), unit[decimals])
		within := new(big.Rat).Mul(big.NewRat(rapid.Int64Range(0, 20).Draw(t, "within"), 2), unit[decimals])
		distance := func(i int) *big.Rat {
			d := new(big.Rat).Mul(new(big.Rat).SetInt64(c.Values[i]), unit[decimals])
			return d.Abs(d.Sub(d, target))
		}
		var least *big.Rat
		for i, s := range c.Status {
			if s.Valid() && (least == nil || distance(i).Cmp(least) < 0) {
				least = distance(i)
			}
		}
		want := stats.Winners{}
		for i, s := range c.Status {
			if !s.Valid() {
				continue
			}
			if distance(i).Cmp(least) == 0 {
				want.Nearest++
				if len(want.Agents) < stats.MaxWinners {
					want.Agents = append(want.Agents, i)
				}
			}
			if distance(i).Cmp(within) <= 0 {
				want.Within++
			}
		}
		require.Equal(t, want, c.Winners(nearest(target), nearest(within)))
	})
}
