package stats_test

import (
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/internal/stats"
)

// naiveMode is the mode of a column as its documentation says it; nil if nothing repeats.
func naiveMode(c *stats.Column) *float64 {
	counts := map[int64]int{}
	step := int64(1)
	for range c.Decimals - 2 {
		step *= 10
	}
	for i, s := range c.Status {
		if !s.Valid() {
			continue
		}
		v := c.Values[i]
		r := v / step
		if left := v - r*step; 2*left >= step {
			r++
		} else if -2*left >= step {
			r--
		}
		counts[r]++
	}
	best, most := int64(0), 1
	for r, n := range counts {
		if n > most || n == most && n > 1 && r < best {
			best, most = r, n
		}
	}
	if most == 1 {
		return nil
	}
	out := stats.Float(best, min(c.Decimals, 2))
	return &out
}

// Many answers near each other are counted where few, or far ones, are sorted. It makes no difference.
func TestManyNearAnswers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := &stats.Column{Decimals: rapid.IntRange(0, stats.MaxDecimals).Draw(t, "decimals")}
		step := int64(1)
		for range c.Decimals - 2 {
			step *= 10
		}
		centre := rapid.OneOf(rapid.Int64Range(-1000, 1000), rapid.Int64Range(-1<<39, 1<<39)).Draw(t, "centre")
		spread := step * rapid.SampledFrom([]int64{1, 2, 30, 900, 3000}).Draw(t, "spread")
		grain := rapid.SampledFrom([]int64{1, max(step/2, 1), step}).Draw(t, "grain") // halves are rounded away from zero
		lumps := rapid.IntRange(0, 3).Draw(t, "lumps")
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 3))
		n := rapid.IntRange(4000, 5000).Draw(t, "n")
		for i := range n {
			v := centre + r.Int64N(spread) - spread/2
			v -= v % grain
			if lumps > 0 && i%2 == 0 {
				v = centre + int64(i%lumps)*spread/4
			}
			status := stats.Status(1 + r.IntN(3))
			if r.IntN(50) == 0 {
				status, v = stats.Missing, 0
			}
			c.Status, c.Values = append(c.Status, status), append(c.Values, v)
		}
		valid := exact(c)
		s := c.Summarise()
		middle := new(big.Rat).Add(valid[(len(valid)-1)/2], valid[len(valid)/2])
		require.Equal(t, nearest(middle.Quo(middle, big.NewRat(2, 1))), s.Median)
		require.Equal(t, naiveMode(c), s.Mode)
	})
}
