package modelserver

import (
	"fmt"
	"unicode/utf8"
)

// cursor reads JSON strictly, from the front. After the first error, which it keeps, it stands still and gives zeros.
type cursor struct {
	data []byte
	at   int
	err  error
}

// maxDepth bounds the nesting of values that are skipped.
const maxDepth = 128

func (c *cursor) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf(format, args...)
		c.at = len(c.data)
	}
}

// peek is the next byte that is not a space, 0 at the end.
func (c *cursor) peek() byte {
	for ; c.at < len(c.data); c.at++ {
		switch b := c.data[c.at]; b {
		case ' ', '\t', '\n', '\r':
		default:
			return b
		}
	}
	return 0
}

// open enters an object or array.
func (c *cursor) open(bracket byte, what string) {
	if c.peek() != bracket || c.at == len(c.data) {
		c.fail("%s is missing or of another type at byte %d", what, c.at)
		return
	}
	c.at++
}

// more reports whether the object or array that was opened has another element. n counts them.
func (c *cursor) more(n *int, bracket byte) bool {
	switch b := c.peek(); {
	case c.err != nil:
		return false
	case b == bracket:
		c.at++
		return false
	case *n > 0 && b != ',':
		c.fail("not JSON at byte %d", c.at)
		return false
	case *n > 0:
		c.at++
	}
	*n++
	return true
}

// key reads a key and its colon.
func (c *cursor) key() []byte {
	key, escaped := c.raw()
	if escaped {
		key = appendText(nil, key)
	}
	if c.peek() != ':' {
		c.fail("not JSON at byte %d", c.at)
		return nil
	}
	c.at++
	return key
}

// raw reads a string and gives what stands between its quotes.
func (c *cursor) raw() (inner []byte, escaped bool) {
	if c.peek() != '"' {
		c.fail("not JSON at byte %d", c.at)
		return nil, false
	}
	from := c.at + 1
	for i := from; ; {
		i += special(c.data[i:])
		if i == len(c.data) {
			c.fail("the text ends in the middle")
			return nil, false
		}
		switch c.data[i] {
		case '"':
			c.at = i + 1
			return c.data[from:i], escaped
		case '\\':
			n := escapeLength(c.data[i:])
			if n > 0 {
				escaped = true
				i += n
				continue
			}
		}
		c.fail("not JSON at byte %d", i)
		return nil, false
	}
}

// escapeLength is the length of the escape that b begins with, 0 if it is none.
func escapeLength(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, ok := hex4(b); ok {
			return 6
		}
	}
	return 0
}

// hex4 reads the number of an escape \uXXXX that b begins with.
func hex4(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	n := rune(0)
	for _, d := range b[2:6] {
		switch {
		case '0' <= d && d <= '9':
			d -= '0'
		case 'a' <= d && d <= 'f':
			d -= 'a' - 10
		case 'A' <= d && d <= 'F':
			d -= 'A' - 10
		default:
			return 0, false
		}
		n = n<<4 | rune(d)
	}
	return n, true
}

// text reads a string or null, appends the string to dst and gives where it stands there.
func (c *cursor) text(dst []byte, what string) ([]byte, span) {
	s := span{len(dst), len(dst)}
	if c.peek() == 'n' {
		c.literal("null")
		return dst, s
	}
	if c.peek() != '"' {
		c.fail("%s is not a text", what)
		return dst, s
	}
	raw, escaped := c.raw()
	if escaped || !utf8.Valid(raw) {
		dst = appendText(dst, raw)
	} else {
		dst = append(dst, raw...)
	}
	s.to = len(dst)
	return dst, s
}
