package runlog

import (
	"encoding/binary"
	"fmt"
	"math"
)

// The envelope and the answer chunks are written and read by hand, in the few msgpack forms they need: this runs for
// every answer, where the general codec's reflection would cost more than the model call of a behavioural player.

func appendUint(out []byte, v uint64) []byte {
	if v < 0x80 {
		return append(out, byte(v))
	}
	return binary.BigEndian.AppendUint64(append(out, 0xcf), v)
}

func appendText(out []byte, s string) []byte {
	if len(s) < 32 {
		out = append(out, 0xa0|byte(len(s)))
	} else {
		out = binary.BigEndian.AppendUint32(append(out, 0xdb), uint32(len(s))) //nolint:gosec // names and ids
	}
	return append(out, s...)
}

func appendBinLen(out []byte, n int) []byte {
	return binary.BigEndian.AppendUint32(append(out, 0xc6), uint32(n)) //nolint:gosec // bounded by the broker's payload limit
}

func appendBin(out, data []byte) []byte {
	return append(appendBinLen(out, len(data)), data...)
}

// appendRuns writes names as (count, length, bytes) runs: nearly always one.
func appendRuns(out []byte, names []string) []byte {
	var few [64]byte
	col := few[:0]
	for i := 0; i < len(names); {
		j := i + 1
		for j < len(names) && names[j] == names[i] {
			j++
		}
		col = binary.AppendUvarint(col, uint64(j-i)) //nolint:gosec // j > i
		col = binary.AppendUvarint(col, uint64(len(names[i])))
		col = append(col, names[i]...)
		i = j
	}
	return appendBin(out, col)
}

// columns reads what the append functions wrote. The first error sticks.
type columns struct {
	buf []byte
	err error
}

func (c *columns) fail(what string) {
	if c.err == nil {
		c.err = fmt.Errorf("%w: %s", ErrDamaged, what)
	}
	c.buf = nil
}

func (c *columns) array() int {
	switch {
	case len(c.buf) > 0 && c.buf[0]&0xf0 == 0x90:
		n := int(c.buf[0] & 0x0f)
		c.buf = c.buf[1:]
		return n
	case len(c.buf) > 2 && c.buf[0] == 0xdc: // a later version with more than fifteen columns
		n := int(binary.BigEndian.Uint16(c.buf[1:]))
		c.buf = c.buf[3:]
		return n
	}
	c.fail("array expected")
	return 0
}

func (c *columns) uint() uint64 {
	switch {
	case len(c.buf) > 0 && c.buf[0] < 0x80:
		v := uint64(c.buf[0])
		c.buf = c.buf[1:]
		return v
	case len(c.buf) >= 9 && c.buf[0] == 0xcf:
		v := binary.BigEndian.Uint64(c.buf[1:])
		c.buf = c.buf[9:]
		return v
	}
	c.fail("number expected")
	return 0
}

func (c *columns) int() int {
	v := c.uint()
	if v > math.MaxInt32 {
		c.fail("number too large")
		return 0
	}
	return int(v)
}

// text reads a string; it allocates.
func (c *columns) text() string {
	if len(c.buf) > 0 && c.buf[0]&0xe0 == 0xa0 {
		n := int(c.buf[0] & 0x1f)
		c.buf = c.buf[1:]
		return string(c.take(uint64(n))) //nolint:gosec // at most 31
	}
	if len(c.buf) < 5 || c.buf[0] != 0xdb {
		c.fail("text expected")
		return ""
	}
	n := binary.BigEndian.Uint32(c.buf[1:])
	c.buf = c.buf[5:]
	return string(c.take(uint64(n)))
}

// bin reads bytes, which share memory with the record.
func (c *columns) bin() []byte {
	if len(c.buf) < 5 || c.buf[0] != 0xc6 {
		c.fail("column expected")
		return nil
	}
	n := binary.BigEndian.Uint32(c.buf[1:])
	c.buf = c.buf[5:]
	return c.take(uint64(n))
}

func (c *columns) take(n uint64) []byte {
	if n > uint64(len(c.buf)) {
		c.fail("longer than the record")
		return nil
	}
	v := c.buf[:n:n]
	c.buf = c.buf[n:]
	return v
}

// varints reads a column of varints; bad is set when it ends early or a number is out of range.
type varints struct {
	buf []byte
	bad bool
}

// uint reads a number of at most limit.
func (v *varints) uint(limit uint64) uint64 {
	if len(v.buf) > 0 && v.buf[0] < 0x80 && uint64(v.buf[0]) <= limit { // nearly all are small
		x := uint64(v.buf[0])
		v.buf = v.buf[1:]
		return x
	}
	x, n := binary.Uvarint(v.buf)
	if n <= 0 || x > limit {
		v.bad, v.buf = true, nil
		return 0
	}
	v.buf = v.buf[n:]
	return x
}

func (v *varints) int() int { return int(v.uint(math.MaxInt32)) } //nolint:gosec // limited

func (v *varints) signed() int64 {
	x, n := binary.Varint(v.buf)
	if n <= 0 {
		v.bad, v.buf = true, nil
		return 0
	}
	v.buf = v.buf[n:]
	return x
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
