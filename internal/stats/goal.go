package stats

import (
	"math"
	"math/big"
)

// goal is a target on the scale of a column, with the digits the column does not keep.
type goal struct {
	decimals int
	exact    *big.Int // target times 10^MaxDecimals
	floor    int64    // the greatest canonical integer not above the target, within int64
}

func newGoal(target float64, decimals int) goal {
	g := goal{decimals: decimals, exact: roundDecimal(target, MaxDecimals)}
	// Div is Euclidean, so with a positive divisor it rounds down for negative targets too.
	g.floor = clamp(new(big.Int).Div(g.exact, g.step()))
	return g
}

// step is what one canonical unit is worth in units of 10^-MaxDecimals.
func (g goal) step() *big.Int { return big.NewInt(pow10[MaxDecimals-g.decimals]) }

// distance of a canonical value from the target, in units of 10^-MaxDecimals.
func (g goal) distance(v int64) *big.Int {
	d := big.NewInt(v)
	return d.Abs(d.Mul(d, g.step()).Sub(d, g.exact))
}

// compare returns -1, 0 or 1: a is nearer to the target than b, as near, or farther.
func (g goal) compare(a, b int64) int { return g.distance(a).Cmp(g.distance(b)) }

// reach returns the canonical values at most within away from the target, both ends included; false if there are none.
func (g goal) reach(within float64) (from, to int64, ok bool) {
	if math.IsInf(within, 1) {
		return math.MinInt64, math.MaxInt64, true
	}
	if math.IsNaN(within) || within < 0 {
		return 0, 0, false
	}
	d := roundDecimal(within, MaxDecimals)
	lower := new(big.Int).Sub(g.exact, d)
	upper := new(big.Int).Add(g.exact, d)
	// The ceiling of lower/step is minus the floor of its opposite.
	lower.Neg(lower.Div(lower.Neg(lower), g.step()))
	upper.Div(upper, g.step())
	if lower.Cmp(upper) > 0 || lower.Cmp(big.NewInt(math.MaxInt64)) > 0 || upper.Cmp(big.NewInt(math.MinInt64)) < 0 {
		return 0, 0, false
	}
	return clamp(lower), clamp(upper), true
}

// clamp returns v as the nearest int64.
func clamp(v *big.Int) int64 {
	switch {
	case v.IsInt64():
		return v.Int64()
	case v.Sign() < 0:
		return math.MinInt64
	}
	return math.MaxInt64
}
