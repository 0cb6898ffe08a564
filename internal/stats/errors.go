package stats

import "errors"

var (
	// ErrNotFinite is returned for NaN and infinities.
	ErrNotFinite = errors.New("stats: not a finite number")
	// ErrOverflow is returned for a number whose canonical integer does not fit in 64 bits.
	ErrOverflow = errors.New("stats: number is too large for its decimals")
	// ErrDecimals is returned for a number of decimals outside 0..MaxDecimals.
	ErrDecimals = errors.New("stats: decimals out of range")
	// ErrStatus is returned for text that names no status.
	ErrStatus = errors.New("stats: unknown status")
)
