package llm

import (
	"fmt"
	"math"
)

// cursor reads msgpack values from a string. The strings it returns are parts of that string, so reading a payload
// copies it once, not once a field. The first error sticks: nothing is left to read, so later reads return zero values.
type cursor struct {
	s   string
	pos int
	err error
}

func (c *cursor) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("%w: at byte %d: %s", ErrDamaged, c.pos, fmt.Sprintf(format, args...))
	}
	c.s, c.pos = "", 0
}

// take returns the next n bytes.
func (c *cursor) take(n int) string {
	if uint(n) > uint(len(c.s)-c.pos) {
		c.fail("it ends too early")
		return ""
	}
	s := c.s[c.pos : c.pos+n]
	c.pos += n
	return s
}

func (c *cursor) code() byte {
	if c.pos >= len(c.s) {
		return 0xc1 // never used by msgpack, so every reader refuses it
	}
	c.pos++
	return c.s[c.pos-1]
}

// be reads an unsigned big-endian number of n bytes.
func (c *cursor) be(n int) uint64 {
	s := c.take(n)
	switch len(s) {
	case 1:
		return uint64(s[0])
	case 2:
		return uint64(s[0])<<8 | uint64(s[1])
	case 4:
		return uint64(s[0])<<24 | uint64(s[1])<<16 | uint64(s[2])<<8 | uint64(s[3])
	}
	var v uint64
	for i := range len(s) {
		v = v<<8 | uint64(s[i])
	}
	return v
}

// count checks a length against what is left: every element takes at least a byte, so no length can ask for more
// memory than the payload is long.
func (c *cursor) count(n uint64) int {
	if n > uint64(len(c.s)-c.pos) {
		c.fail("%d elements do not fit in %d bytes", n, len(c.s)-c.pos)
		return 0
	}
	return int(n)
}

// array reads an array header; nil is an empty array. Short arrays, texts and numbers, of which requests are full, have
// a short way in front that the compiler can inline.
func (c *cursor) array() int {
	if c.pos < len(c.s) {
		if n := int(c.s[c.pos]) - 0x90; n >= 0 && n < 16 && n < len(c.s)-c.pos {
			c.pos++
			return n
		}
	}
	return c.longArray()
}

func (c *cursor) longArray() int {
	switch b := c.code(); {
	case b&0xf0 == 0x90:
		return c.count(uint64(b & 0x0f))
	case b == 0xdc:
		return c.count(c.be(2))
	case b == 0xdd:
		return c.count(c.be(4))
	case b == 0xc0:
		return 0
	default:
		c.fail("an array was expected, not code %#x", b)
		return 0
	}
}

// dict reads a map header; nil is an empty map.
func (c *cursor) dict() int {
	if c.pos < len(c.s) && (c.s[c.pos] == 0x80 || c.s[c.pos] == 0xc0) {
		c.pos++
		return 0
	}
	switch b := c.code(); {
	case b&0xf0 == 0x80:
		return c.count(uint64(b & 0x0f))
	case b == 0xde:
		return c.count(c.be(2))
	case b == 0xdf:
		return c.count(c.be(4))
	case b == 0xc0:
		return 0
	default:
		c.fail("a map was expected, not code %#x", b)
		return 0
	}
}

func (c *cursor) uint(most uint64) uint64 {
	if c.pos < len(c.s) && c.s[c.pos] < 0x80 && uint64(c.s[c.pos]) <= most {
		c.pos++
		return uint64(c.s[c.pos-1])
	}
	return c.longUint(most)
}

func (c *cursor) longUint(most uint64) uint64 {
	var v uint64
	switch b := c.code(); {
	case b < 0x80:
		v = uint64(b)
	case b >= 0xcc && b <= 0xcf:
		v = c.be(1 << (b - 0xcc))
	case b >= 0xd0 && b <= 0xd3:
		width := 1 << (b - 0xd0)
		shift := 64 - 8*width
		signed := int64(c.be(width)<<shift) >> shift
		if signed < 0 {
			c.fail("a number that is not negative was expected, not %d", signed)
			return 0
		}
		v = uint64(signed)
	case b == 0xc0:
		return 0
	default:
		c.fail("a number that is not negative was expected, not code %#x", b)
		return 0
	}
	if v > most {
		c.fail("%d is larger than %d", v, most)
		return 0
	}
	return v
}

func (c *cursor) float() float64 {
	if c.pos < len(c.s) {
		switch b := c.s[c.pos]; {
		case b == 0xca:
			c.pos++
			return float64(math.Float32frombits(uint32(c.be(4))))
		case b == 0xcb:
			c.pos++
			return math.Float64frombits(c.be(8))
		case b >= 0xe0:
			c.pos++
			return float64(int8(b))
		case b >= 0xd0 && b <= 0xd3:
			c.pos++
			width := 1 << (b - 0xd0)
			shift := 64 - 8*width
			return float64(int64(c.be(width)<<shift) >> shift)
		}
	}
	return float64(c.uint(math.MaxUint64))
}

func (c *cursor) bool() bool {
	switch b := c.code(); b {
	case 0xc3:
		return true
	case 0xc2, 0xc0:
		return false
	default:
		c.fail("true or false was expected, not code %#x", b)
		return false
	}
}

// text reads a string or binary value; nil is empty.
func (c *cursor) text() string {
	if c.pos < len(c.s) {
		if n := int(c.s[c.pos]) - 0xa0; n >= 0 && n < 32 && n < len(c.s)-c.pos {
			from := c.pos + 1
			c.pos = from + n
			return c.s[from:c.pos]
		}
	}
	return c.longText()
}

func (c *cursor) longText() string {
	switch b := c.code(); {
	case b&0xe0 == 0xa0:
		return c.take(int(b & 0x1f))
	case b == 0xd9, b == 0xc4:
		return c.take(int(c.be(1)))
	case b == 0xda, b == 0xc5:
		return c.take(int(c.be(2)))
	case b == 0xdb, b == 0xc6:
		return c.take(int(c.be(4)))
	case b == 0xc0:
		return ""
	default:
		c.fail("text was expected, not code %#x", b)
		return ""
	}
}

func (c *cursor) texts() []string {
	n := c.array()
	if n == 0 {
		return nil
	}
	list := make([]string, n)
	for i := range list {
		// What text does for short ones, without the call.
		if pos := c.pos; pos < len(c.s) {
			if n := int(c.s[pos]) - 0xa0; n >= 0 && n < 32 && n < len(c.s)-pos {
				list[i] = c.s[pos+1 : pos+1+n]
				c.pos = pos + 1 + n
				continue
			}
		}
		list[i] = c.longText()
	}
	return list
}

func (c *cursor) floats() map[string]float64 {
	n := c.dict()
	if n == 0 {
		return nil
	}
	m := make(map[string]float64, n)
	for range n {
		k := c.text()
		m[k] = c.float()
	}
	return m
}

func (c *cursor) textMap() map[string]string {
	n := c.dict()
	if n == 0 {
		return nil
	}
	m := make(map[string]string, n)
	for range n {
		k := c.text()
		m[k] = c.text()
	}
	return m
}

// end reports the first error, or that bytes are left over.
func (c *cursor) end() error {
	if c.err == nil && c.pos != len(c.s) {
		c.fail("%d bytes left over", len(c.s)-c.pos)
	}
	return c.err
}
