package runlog

import (
	"encoding/binary"
	"fmt"
	"math"
)

// The column codec writes the few msgpack forms an answer chunk needs by hand: it runs once per answer, and the
// general encoder's reflection would cost more than the model call of a behavioural player.

func appendUint(out []byte, v uint64) []byte {
	if v < 0x80 {
		return append(out, byte(v))
	}
	return binary.BigEndian.AppendUint64(append(out, 0xcf), v)
}

func appendBinLen(out []byte, n int) []byte {
	return binary.BigEndian.AppendUint32(append(out, 0xc6), uint32(n)) //nolint:gosec // bounded by MaxChunkBytes and the broker's payload limit
}

func appendBin(out, data []byte) []byte {
	return append(appendBinLen(out, len(data)), data...)
}

// appendRuns writes names as (count, length, bytes) runs: nearly always one.
func appendRuns(out []byte, names []string) []byte {
	var col []byte
	for i := 0; i < len(names); {
		j := i + 1
		for j < len(names) && names[j] == names[i] {
			j++
		}
		col = binary.AppendUvarint(col, uint64(j-i))
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
		c.err = fmt.Errorf("%w: answer chunk: %s", ErrDamaged, what)
	}
	c.buf = nil
}

func (c *columns) array() int {
	if len(c.buf) == 0 || c.buf[0]&0xf0 != 0x90 {
		c.fail("not an array")
		return 0
	}
	n := int(c.buf[0] & 0x0f)
	c.buf = c.buf[1:]
	return n
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

func (c *columns) bin() []byte {
	if len(c.buf) < 5 || c.buf[0] != 0xc6 {
		c.fail("column expected")
		return nil
	}
	n := uint64(binary.BigEndian.Uint32(c.buf[1:]))
	if n > uint64(len(c.buf)-5) {
		c.fail("column longer than the record")
		return nil
	}
	v := c.buf[5 : 5+n]
	c.buf = c.buf[5+n:]
	return v
}

func (c *columns) runs(n int) []string {
	v := varints{buf: c.bin()}
	out := make([]string, 0, n)
	for len(v.buf) > 0 {
		count, size := v.int(), v.int()
		if v.bad || count < 1 || count > n-len(out) || size > len(v.buf) {
			c.fail("bad run of names")
			return nil
		}
		name := string(v.buf[:size])
		v.buf = v.buf[size:]
		for range count {
			out = append(out, name)
		}
	}
	if c.err == nil && len(out) != n {
		c.fail("names column too short")
	}
	return out
}

// varints reads a column of varints; bad is set when it ends early or a number is out of range.
type varints struct {
	buf []byte
	bad bool
}

func (v *varints) uint() uint64 {
	x, n := binary.Uvarint(v.buf)
	if n <= 0 {
		v.bad, v.buf = true, nil
		return 0
	}
	v.buf = v.buf[n:]
	return x
}

func (v *varints) int() int {
	x := v.uint()
	if x > math.MaxInt32 {
		v.bad, v.buf = true, nil
		return 0
	}
	return int(x)
}

func (v *varints) signed() int64 {
	x, n := binary.Varint(v.buf)
	if n <= 0 {
		v.bad, v.buf = true, nil
		return 0
	}
	v.buf = v.buf[n:]
	return x
}
