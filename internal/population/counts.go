package population

import (
	"cmp"
	"math"
	"slices"
)

// micro is the resolution at which remainders are compared: far coarser than the rounding of p*n, so that equal
// proportions tie, and far finer than any remainder that matters.
const micro = 1_000_000

// counts splits n among the proportions of a valid distribution by largest remainder; the first of equals wins. The
// result sums to n, and a category with proportion 0 gets nobody.
//
// The sum of the shares is within n*sumTolerance, at most 0.2, of n. So the whole parts never exceed n, and what they
// leave is at most the number of categories with a remainder.
func counts(proportions []float64, n int) []int {
	out := make([]int, len(proportions))
	rest := make([]int64, len(proportions))
	order := make([]int, len(proportions))
	left := n
	for i, p := range proportions {
		share := int64(math.Round(p * float64(n) * micro))
		out[i], rest[i], order[i] = int(share/micro), share%micro, i
		left -= out[i]
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(rest[b], rest[a]) })
	for _, i := range order[:left] {
		out[i]++
	}
	return out
}

// Counts returns how many agents get each category, by distribution and category, for a valid spec.
func (s Spec) Counts() [][]int {
	out := make([][]int, len(s.Distributions))
	for i, d := range s.Distributions {
		out[i] = counts(d.Proportions, s.Size)
	}
	return out
}
