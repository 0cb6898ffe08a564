package stats

import (
	"math/big"
	"slices"
)

// sorted returns the valid answers in ascending order, in a new slice.
func (c *Column) sorted() []int64 {
	out := make([]int64, 0, len(c.Status))
	for i, s := range c.Status {
		if s.Valid() {
			out = append(out, c.Values[i])
		}
	}
	return sortInts(out)
}

const (
	radixBits   = 11
	radixSize   = 1 << radixBits
	radixWorth  = 4096 // below it comparison sort is as fast and needs no scratch
	radixPasses = 4    // above it (a range of 2^44 and more) comparison sort wins again
)

// sortInts sorts v and returns it or its replacement. Answers lie in a narrow range, so a radix sort over the bits of
// the range needs two to four passes where comparison sort needs twenty.
func sortInts(v []int64) []int64 {
	if len(v) < radixWorth {
		slices.Sort(v)
		return v
	}
	lo, hi := slices.Min(v), slices.Max(v)
	passes := 0
	for width := uint64(hi) - uint64(lo); width > 0; width >>= radixBits { //nolint:gosec // wraps to the distance
		passes++
	}
	if passes > radixPasses {
		slices.Sort(v)
		return v
	}
	from, to := v, make([]int64, len(v))
	for pass := range passes {
		shift := pass * radixBits
		var at [radixSize]int
		for _, x := range from {
			at[(uint64(x)-uint64(lo))>>shift%radixSize]++ //nolint:gosec // distance from lo
		}
		start := 0
		for i, n := range at {
			at[i], start = start, start+n
		}
		for _, x := range from {
			digit := (uint64(x) - uint64(lo)) >> shift % radixSize //nolint:gosec // distance from lo
			to[at[digit]] = x
			at[digit]++
		}
		from, to = to, from
	}
	return from
}

// median of sorted values, at least one.
func median(sorted []int64, decimals int) float64 {
	n := len(sorted)
	return middle(sorted[(n-1)/2], sorted[n/2], decimals)
}

// middle is the mean of two values.
func middle(a, b int64, decimals int) float64 {
	total := big.NewInt(a)
	return quotient(total.Add(total, big.NewInt(b)), 2, decimals)
}

// quantile of sorted values, at least one, for p in [0, 1].
func quantile(sorted []int64, p float64, decimals int) float64 {
	// The position is exact as well, so that p = 0.5 of an even number of values falls halfway and nowhere else.
	at := new(big.Rat).SetFloat64(p)
	at.Mul(at, new(big.Rat).SetInt64(int64(len(sorted)-1)))
	below := new(big.Int).Quo(at.Num(), at.Denom())
	i := int(below.Int64())
	low := new(big.Rat).SetInt64(sorted[i])
	if i+1 < len(sorted) {
		part := at.Sub(at, new(big.Rat).SetInt(below))
		step := new(big.Rat).SetInt64(sorted[i+1])
		low.Add(low, part.Mul(part, step.Sub(step, low)))
	}
	out, _ := low.Quo(low, new(big.Rat).SetInt64(pow10[decimals])).Float64()
	return out
}

// modeDecimals is the precision at which answers count as the same for the mode.
const modeDecimals = 2

// mode returns the most frequent of sorted values rounded half away from zero to modeDecimals, the lowest of several,
// or nil if nothing repeats.
func mode(sorted []int64, decimals int) *float64 {
	step := modeStep(decimals)
	best, bestRun := int64(0), 1
	current, run := int64(0), 0
	for _, v := range sorted {
		// Rounding keeps order, so equal rounded values are neighbours.
		if r := roundTo(v, step); run > 0 && r == current {
			run++
		} else {
			current, run = r, 1
		}
		if run > bestRun {
			best, bestRun = current, run
		}
	}
	if bestRun == 1 {
		return nil
	}
	out := Float(best, min(decimals, modeDecimals))
	return &out
}

// modeStep is what the last of the modeDecimals is worth in canonical units.
func modeStep(decimals int) int64 { return pow10[max(0, decimals-modeDecimals)] }

// roundTo returns v / step, rounded half away from zero.
func roundTo(v, step int64) int64 {
	q, r := v/step, v%step
	switch {
	case r > 0 && r >= step-r:
		q++
	case r < 0 && r <= -step-r:
		q--
	}
	return q
}
