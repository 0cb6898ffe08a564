package fakevllm

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// str reads a string. What stands for no character becomes U+FFFD.
func (c *cursor) str() ([]byte, error) {
	if c.peek() != '"' {
		return nil, c.bad("Expecting a string")
	}
	c.i++
	from := c.i
	for c.i < len(c.b) {
		switch b := c.b[c.i]; {
		case b == '"':
			c.i++
			return c.b[from : c.i-1 : c.i-1], nil
		case b == '\\':
			return c.escaped(from)
		case b < ' ':
			return nil, c.bad("Invalid control character")
		}
		c.i++
	}
	return nil, c.bad("Unterminated string")
}

// escaped reads the rest of a string that has an escape; from is where its text began.
func (c *cursor) escaped(from int) ([]byte, error) {
	start := len(c.arena)
	c.arena = append(c.arena, c.b[from:c.i]...)
	for c.i < len(c.b) {
		b := c.b[c.i]
		switch {
		case b == '"':
			c.i++
			return c.arena[start:len(c.arena):len(c.arena)], nil
		case b < ' ':
			return nil, c.bad("Invalid control character")
		case b != '\\':
			c.arena = append(c.arena, b)
			c.i++
			continue
		}
		if c.i+1 >= len(c.b) {
			break
		}
		c.i += 2
		switch e := c.b[c.i-1]; e {
		case '"', '\\', '/':
			c.arena = append(c.arena, e)
		case 'b':
			c.arena = append(c.arena, '\b')
		case 'f':
			c.arena = append(c.arena, '\f')
		case 'n':
			c.arena = append(c.arena, '\n')
		case 'r':
			c.arena = append(c.arena, '\r')
		case 't':
			c.arena = append(c.arena, '\t')
		case 'u':
			r, ok := c.hex(c.i)
			if !ok {
				return nil, c.bad("Invalid \\uXXXX escape")
			}
			c.i += 4
			if utf16.IsSurrogate(r) {
				low, ok := rune(0), false
				if bytes.HasPrefix(c.b[c.i:], []byte(`\u`)) {
					low, ok = c.hex(c.i + 2)
				}
				if r = utf16.DecodeRune(r, low); ok && r != utf8.RuneError {
					c.i += 6
				}
			}
			c.arena = utf8.AppendRune(c.arena, r)
		default:
			return nil, c.bad("Invalid \\escape")
		}
	}
	return nil, c.bad("Unterminated string")
}

func (c *cursor) hex(at int) (rune, bool) {
	if at+4 > len(c.b) {
		return 0, false
	}
	n := rune(0)
	for _, b := range c.b[at : at+4] {
		switch {
		case b >= '0' && b <= '9':
			n = n<<4 | rune(b-'0')
		case b|0x20 >= 'a' && b|0x20 <= 'f':
			n = n<<4 | rune(b|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return n, true
}
