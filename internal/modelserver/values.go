package modelserver

import (
	"strconv"
	"strings"
)

// number reads a number.
func (c *cursor) number() []byte {
	c.peek()
	from := c.at
	c.accept("-")
	if !c.accept("0") && !c.digits() {
		c.fail("not JSON at byte %d", c.at)
		return nil
	}
	if c.accept(".") && !c.digits() {
		c.fail("not JSON at byte %d", c.at)
		return nil
	}
	if c.accept("eE") {
		c.accept("+-")
		if !c.digits() {
			c.fail("not JSON at byte %d", c.at)
			return nil
		}
	}
	return c.data[from:c.at]
}

// accept takes the next byte if it is one of those given.
func (c *cursor) accept(set string) bool {
	if c.at < len(c.data) && strings.IndexByte(set, c.data[c.at]) >= 0 {
		c.at++
		return true
	}
	return false
}

func (c *cursor) digits() bool {
	from := c.at
	for c.at < len(c.data) && '0' <= c.data[c.at] && c.data[c.at] <= '9' {
		c.at++
	}
	return c.at > from
}

// count reads a number of things or null. What is below 0 is 0.
func (c *cursor) count() uint64 {
	if c.peek() == 'n' {
		c.literal("null")
		return 0
	}
	raw := c.number()
	if n, err := strconv.ParseUint(string(raw), 10, 64); err == nil {
		return n
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || !(f > 0) {
		return 0
	}
	const most = 1 << 53
	return uint64(min(f, most))
}

func (c *cursor) literal(s string) {
	if len(c.data)-c.at < len(s) || string(c.data[c.at:c.at+len(s)]) != s {
		c.fail("not JSON at byte %d", c.at)
		return
	}
	c.at += len(s)
}

// skip reads a value that nobody wants.
func (c *cursor) skip(depth int) {
	if depth > maxDepth {
		c.fail("nested too deeply at byte %d", c.at)
		return
	}
	switch c.peek() {
	case '"':
		c.raw()
	case 't':
		c.literal("true")
	case 'f':
		c.literal("false")
	case 'n':
		c.literal("null")
	case '[':
		c.at++
		for n := 0; c.more(&n, ']'); {
			c.skip(depth + 1)
		}
	case '{':
		c.at++
		for n := 0; c.more(&n, '}'); {
			c.raw()
			if c.peek() != ':' {
				c.fail("not JSON at byte %d", c.at)
				return
			}
			c.at++
			c.skip(depth + 1)
		}
	default:
		c.number()
	}
}

// end checks that nothing follows.
func (c *cursor) end() {
	if c.peek(); c.err == nil && c.at < len(c.data) {
		c.fail("something follows the JSON value at byte %d", c.at)
	}
}
