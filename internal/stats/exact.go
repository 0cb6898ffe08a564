package stats

import (
	"math"
	"math/big"
	"math/bits"
)

// moments are exact sums over canonical integers: their number, their sum in 128 bits and the sum of their squares in
// 192 bits, enough for any 2^63 values.
type moments struct {
	n                  int
	low, high          uint64 // two's complement
	sq0, sq1, sq2      uint64
	smallest, greatest int64 // of n > 0 values
}

// momentsOf takes in the values whose status is valid. Its sums are variables of their own because a large struct would
// not be kept in registers.
func momentsOf(status []Status, values []int64) moments {
	n, smallest, greatest := 0, int64(math.MaxInt64), int64(math.MinInt64)
	var low, high, sq0, sq1, sq2 uint64
	for i, v := range values[:len(status)] {
		if !status[i].Valid() {
			continue
		}
		n++
		smallest, greatest = min(smallest, v), max(greatest, v)
		var carry uint64
		low, carry = bits.Add64(low, uint64(v), 0)       //nolint:gosec // two's complement on purpose
		high, _ = bits.Add64(high, uint64(v>>63), carry) //nolint:gosec // sign extension
		size := uint64((v ^ v>>63) - v>>63)              //nolint:gosec // absolute value
		h, l := bits.Mul64(size, size)
		sq0, carry = bits.Add64(sq0, l, 0)
		sq1, carry = bits.Add64(sq1, h, carry)
		sq2 += carry
	}
	if n == 0 {
		return moments{}
	}
	return moments{n: n, low: low, high: high, sq0: sq0, sq1: sq1, sq2: sq2, smallest: smallest, greatest: greatest}
}

// add takes in the values of others.
func (m *moments) add(o *moments) {
	switch {
	case o.n == 0:
		return
	case m.n == 0:
		*m = *o
		return
	}
	m.n += o.n
	m.smallest, m.greatest = min(m.smallest, o.smallest), max(m.greatest, o.greatest)
	var carry uint64
	m.low, carry = bits.Add64(m.low, o.low, 0)
	m.high, _ = bits.Add64(m.high, o.high, carry)
	m.sq0, carry = bits.Add64(m.sq0, o.sq0, 0)
	m.sq1, carry = bits.Add64(m.sq1, o.sq1, carry)
	m.sq2 += o.sq2 + carry
}

// sum returns the sum of the values.
func (m *moments) sum() *big.Int {
	out := new(big.Int).SetUint64(m.high)
	out.Lsh(out, 64).Add(out, new(big.Int).SetUint64(m.low))
	if m.high>>63 == 1 {
		out.Sub(out, new(big.Int).Lsh(big.NewInt(1), 128))
	}
	return out
}

// scatter returns n times the sum of squares minus the square of the sum: n(n-1) times the sample variance, exactly.
func (m *moments) scatter() *big.Int {
	out := new(big.Int).SetUint64(m.sq2)
	out.Lsh(out, 64).Add(out, new(big.Int).SetUint64(m.sq1))
	out.Lsh(out, 64).Add(out, new(big.Int).SetUint64(m.sq0))
	out.Mul(out, big.NewInt(int64(m.n)))
	s := m.sum()
	return out.Sub(out, s.Mul(s, s))
}

// mean is the correctly rounded mean in units; n must not be 0.
func (m *moments) mean(decimals int) float64 {
	return quotient(m.sum(), int64(m.n), decimals)
}

// std is the sample standard deviation (divisor n-1) in units; n must be at least 2.
func (m *moments) std(decimals int) float64 {
	const precision = 256 // far beyond float64: only the last conversion rounds visibly
	n := int64(m.n)
	divisor := new(big.Int).Mul(big.NewInt(n), big.NewInt(n-1))
	unit := big.NewInt(pow10[decimals])
	divisor.Mul(divisor, unit).Mul(divisor, unit)
	v := new(big.Float).SetPrec(precision).SetInt(m.scatter())
	v.Quo(v, new(big.Float).SetPrec(precision).SetInt(divisor))
	out, _ := v.Sqrt(v).Float64()
	return out
}

// quotient is total / (n 10^decimals) rounded once, to the nearest float64.
func quotient(total *big.Int, n int64, decimals int) float64 {
	den := new(big.Int).Mul(big.NewInt(n), big.NewInt(pow10[decimals]))
	out, _ := new(big.Rat).SetFrac(total, den).Float64()
	return out
}
