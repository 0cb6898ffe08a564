package modelserver

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
)

// share is a part of a total.
type share struct {
	at   int
	size int    // what it is in proportion to
	is   uint64 // the share
	left uint64 // what rounding it down left
}

// apportion divides total into shares that are as their sizes are to each other and sum to it: what rounding down leaves
// goes to the largest remainders, earlier ones first. If all sizes are 0 the shares are equal.
func apportion(total uint64, shares []share) {
	sum := uint64(0)
	for i := range shares {
		sum += uint64(shares[i].size) //nolint:gosec // a length
	}
	rest := total
	for i := range shares {
		s := &shares[i]
		of, all := uint64(s.size), sum //nolint:gosec // a length
		if sum == 0 {
			of, all = 1, uint64(len(shares))
		}
		hi, lo := bits.Mul64(total, of)
		s.at = i
		s.is, s.left = bits.Div64(hi, lo, all) // of <= all, so the quotient fits
		rest -= s.is
	}
	if rest == 0 {
		return
	}
	slices.SortFunc(shares, func(a, b share) int {
		return cmp.Or(cmp.Compare(b.left, a.left), cmp.Compare(a.at, b.at))
	})
	for i := range rest {
		shares[i].is++
	}
}

// narrow is a count as completions carry it.
func narrow(n uint64) uint32 { return uint32(min(n, math.MaxUint32)) }
