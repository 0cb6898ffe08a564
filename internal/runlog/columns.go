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

func appendBin(out, data []byte) []byte {
	out = binary.BigEndian.AppendUint32(append(out, 0xc6), uint32(len(data))) //nolint:gosec // bounded by the broker's payload limit
	return append(out, data...)
}

// openBin begins a column of bytes. What is appended until closeBin, which is told where it begins, is in the column:
// nothing is written elsewhere first and copied.
func openBin(out []byte) (grown []byte, at int) {
	return append(out, 0xc6, 0, 0, 0, 0), len(out) + 5
}

func closeBin(out []byte, at int) {
	binary.BigEndian.PutUint32(out[at-4:], uint32(len(out)-at)) //nolint:gosec // bounded by the broker's payload limit
}

// appendRuns writes names as (count, length, bytes) runs: nearly always one.
func appendRuns(out []byte, names []string) []byte {
	out, at := openBin(out)
	for i := 0; i < len(names); {
		j := i + 1
		for j < len(names) && names[j] == names[i] {
			j++
		}
		out = appendUvarint(out, uint64(j-i)) //nolint:gosec // j > i
		out = appendUvarint(out, uint64(len(names[i])))
		out = append(out, names[i]...)
		i = j
	}
	closeBin(out, at)
	return out
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
