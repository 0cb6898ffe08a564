package stats

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
)

// MaxDecimals is the largest number of decimals a question may keep.
const MaxDecimals = 9

var pow10 = [...]int64{1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9}

// Canonical returns v times 10^decimals, rounded half away from zero. What is rounded is the shortest decimal number
// that denotes v, so 1.005 at two decimals is 101 although its nearest binary fraction lies below the half. It returns
// ErrNotFinite, ErrOverflow (results are within ±(2^63-1)) or ErrDecimals.
func Canonical(v float64, decimals int) (int64, error) {
	if decimals < 0 || decimals > MaxDecimals {
		return 0, fmt.Errorf("%w: %d, must be 0 to %d", ErrDecimals, decimals, MaxDecimals)
	}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, fmt.Errorf("%w: %v", ErrNotFinite, v)
	}
	scaled := v * float64(pow10[decimals])
	size := math.Abs(scaled)
	// Scaling is off by less than slack, so away from a half the rounded float is right; near one the digits decide.
	slack := size * 0x1p-51
	if fraction := size - math.Floor(size); math.Abs(fraction-0.5) > slack && slack < 0.25 {
		return int64(math.Round(scaled)), nil
	}
	exact := roundDecimal(v, decimals)
	if exact == nil || !exact.IsInt64() || exact.Int64() == math.MinInt64 {
		return 0, fmt.Errorf("%w: %v with %d decimals", ErrOverflow, v, decimals)
	}
	return exact.Int64(), nil
}

// Float returns the number a canonical integer stands for. decimals must be 0 to MaxDecimals.
func Float(v int64, decimals int) float64 {
	return float64(v) / float64(pow10[decimals])
}

// roundDecimal is the shortest decimal of v times 10^decimals, rounded half away from zero, of any size. It is nil only
// if v is not finite.
func roundDecimal(v float64, decimals int) *big.Int {
	exact, ok := new(big.Rat).SetString(strconv.FormatFloat(v, 'e', -1, 64))
	if !ok {
		return nil
	}
	exact.Mul(exact, new(big.Rat).SetInt64(pow10[decimals]))
	// |x| rounded half up is floor((2|num| + den) / 2 den).
	num, den := new(big.Int).Abs(exact.Num()), exact.Denom()
	num.Lsh(num, 1).Add(num, den)
	num.Quo(num, new(big.Int).Lsh(den, 1))
	if exact.Sign() < 0 {
		num.Neg(num)
	}
	return num
}
