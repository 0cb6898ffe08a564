package runlog

import (
	"encoding/binary"
	"math"
	"math/bits"
)

func appendUvarint(out []byte, v uint64) []byte {
	if v < 0x80 { // nearly all are small
		return append(out, byte(v))
	}
	return binary.AppendUvarint(out, v)
}

// uvarint is binary.Uvarint without its loop where eight bytes can be looked at together: for numbers of up to 56 bits
// that are not the last of their column.
func uvarint(buf []byte) (v uint64, n int) {
	if len(buf) < 8 {
		return binary.Uvarint(buf)
	}
	v = binary.LittleEndian.Uint64(buf)
	ends := ^v & 0x8080808080808080 // the top bit of a byte says that another follows
	if ends == 0 {
		return binary.Uvarint(buf)
	}
	v &= ends ^ (ends-1)&0x7f7f7f7f7f7f7f7f // nothing behind the first end
	v = v&0x007f007f007f007f | v&0x7f007f007f007f00>>1
	v = v&0x00003fff00003fff | v&0x3fff00003fff0000>>2
	v = v&0x000000000fffffff | v&0x0fffffff00000000>>4
	return v, bits.TrailingZeros64(ends)/8 + 1
}

// varints reads a column of varints; bad is set when it ends early or a number is out of range.
type varints struct {
	buf []byte
	bad bool
}

// uint reads a number of at most limit.
func (v *varints) uint(limit uint64) uint64 {
	x, n := uvarint(v.buf)
	if n <= 0 || x > limit {
		v.bad, v.buf = true, nil
		return 0
	}
	v.buf = v.buf[n:]
	return x
}

func (v *varints) int() int { return int(v.uint(math.MaxInt32)) } //nolint:gosec // limited

// uints reads a column of exactly len(to) numbers and reports whether it is one.
func uints(col []byte, to []uint32) bool {
	if len(col) == len(to) { // so each must be a single byte, as nearly all are
		all := byte(0)
		for i, b := range col {
			to[i] = uint32(b)
			all |= b
		}
		return all < 0x80
	}
	v := varints{buf: col}
	for i := range to {
		to[i] = uint32(v.uint(math.MaxUint32)) //nolint:gosec // limited
	}
	return !v.bad && len(v.buf) == 0
}

// zigzags is uints for signed numbers.
func zigzags(col []byte, to []int64) bool {
	for i := range to {
		x, n := uvarint(col)
		if n <= 0 {
			return false
		}
		col = col[n:]
		to[i] = int64(x>>1) ^ -int64(x&1) //nolint:gosec // zigzag: the lowest bit is the sign
	}
	return len(col) == 0
}

// gaps reads a column of ascending numbers, each stored as its distance from the one after the last, and appends them to
// out; it reads limit+1 of them at most.
func gaps(col []byte, limit int, out []int) ([]int, bool) {
	v := varints{buf: col}
	for next := 0; len(v.buf) > 0 && len(out) <= limit; next++ {
		if v.buf[0] != 0 { // consecutive ones have no gap
			next += v.int()
		} else {
			v.buf = v.buf[1:]
		}
		out = append(out, next)
	}
	return out, !v.bad
}

// runs calls fn for each run of a column of n names, and reports whether the column has exactly n.
func runs(col []byte, n int, fn func(name []byte, count int)) bool {
	v := varints{buf: col}
	for len(v.buf) > 0 {
		count, size := v.int(), v.int()
		if v.bad || count < 1 || count > n || size > len(v.buf) {
			return false
		}
		fn(v.buf[:size], count)
		v.buf = v.buf[size:]
		n -= count
	}
	return n == 0
}
