package population

import (
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// exactCounts is largest remainder in exact arithmetic, for shares weights[i]/sum(weights).
func exactCounts(weights []int, n int) []int {
	var sum int64
	for _, w := range weights {
		sum += int64(w)
	}
	out, left := make([]int, len(weights)), n
	rest := make([]*big.Rat, len(weights))
	for i, w := range weights {
		share := big.NewRat(int64(w)*int64(n), sum)
		whole := new(big.Int).Div(share.Num(), share.Denom())
		out[i] = int(whole.Int64())
		rest[i] = share.Sub(share, new(big.Rat).SetInt(whole))
		left -= out[i]
	}
	for ; left > 0; left-- {
		best := 0
		for i := range rest {
			if rest[i].Cmp(rest[best]) > 0 {
				best = i
			}
		}
		out[best]++
		rest[best] = big.NewRat(-1, 1)
	}
	return out
}

// shares are weights as floating-point proportions.
func shares(weights []int) []float64 {
	sum := 0
	for _, w := range weights {
		sum += w
	}
	out := make([]float64, len(weights))
	for i, w := range weights {
		out[i] = float64(w) / float64(sum)
	}
	return out
}

// genWeights draws weights that are not all zero.
func genWeights(t *rapid.T, label string) []int {
	w := rapid.SliceOfN(rapid.IntRange(0, 30), 1, 12).Draw(t, label)
	w[rapid.IntRange(0, len(w)-1).Draw(t, label+" not zero")]++
	return w
}

func TestCountsByHand(t *testing.T) {
	for _, c := range []struct {
		proportions []float64
		n           int
		want        []int
	}{
		{[]float64{0.2, 0.8}, 1000, []int{200, 800}},
		{[]float64{0.29, 0.71}, 100, []int{29, 71}},
		{[]float64{1. / 3, 1. / 3, 1. / 3}, 100, []int{34, 33, 33}},
		{[]float64{0.1, 0.3, 0.6}, 15, []int{2, 4, 9}},
		{[]float64{1 - 0.9, 0.9}, 15, []int{2, 13}},
		{[]float64{0.9, 1 - 0.9}, 15, []int{14, 1}},
		{[]float64{0, 1, 0}, 7, []int{0, 7, 0}},
		{[]float64{0.5, 0.5}, 1, []int{1, 0}},
		{[]float64{0.333333333, 0.333333333, 0.333333333}, MaxSize, []int{33333334, 33333333, 33333333}},
	} {
		require.Equal(t, c.want, counts(c.proportions, c.n), "%v of %d", c.proportions, c.n)
	}
}

func TestCountsAreLargestRemainder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := genWeights(t, "weights")
		n := rapid.IntRange(1, 200_000).Draw(t, "n")
		require.Equal(t, exactCounts(weights, n), counts(shares(weights), n))
	})
}

func TestCountsOfInexactProportionsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := shares(genWeights(t, "weights"))
		off := rapid.Float64Range(-0.99e-9, 0.99e-9).Draw(t, "off")
		for i := range p {
			p[i] *= 1 + off
		}
		n := rapid.IntRange(1, MaxSize).Draw(t, "n")
		sum := 0
		for i, c := range counts(p, n) {
			sum += c
			require.InDelta(t, p[i]*float64(n), c, 1.2)
			if p[i] == 0 {
				require.Zero(t, c)
			}
		}
		require.Equal(t, n, sum)
	})
}
