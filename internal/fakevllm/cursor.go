package fakevllm

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds how deep JSON nests, as Python's parser does too.
const maxDepth = 512

// badJSON is a place where a body stops being JSON.
type badJSON struct {
	at  int
	why string
}

func (e *badJSON) Error() string { return e.why + " at byte " + strconv.Itoa(e.at) }

// cursor walks over JSON. It accepts what encoding/json accepts (FuzzCursor holds it to that), which must be checked to
// be UTF-8 before. Strings without escapes are slices of the body; others are written to the arena.
type cursor struct {
	b     []byte
	i     int
	depth int
	arena []byte
}

func (c *cursor) bad(why string) error { return &badJSON{c.i, why} }

// peek is the next byte that is not white space, 0 at the end.
func (c *cursor) peek() byte {
	for c.i < len(c.b) {
		switch b := c.b[c.i]; b {
		case ' ', '\n', '\t', '\r':
			c.i++
		default:
			return b
		}
	}
	return 0
}

// end is an error unless nothing follows.
func (c *cursor) end() error {
	if c.peek() != 0 || c.i < len(c.b) {
		return c.bad("Extra data")
	}
	return nil
}

// object calls field for each key; field must read or skip the value.
func (c *cursor) object(field func(key []byte) error) error {
	if c.peek() != '{' {
		return c.bad("Expecting an object")
	}
	if err := c.enter(); err != nil {
		return err
	}
	defer func() { c.depth-- }()
	if c.peek() == '}' {
		c.i++
		return nil
	}
	for {
		if c.peek() != '"' {
			return c.bad("Expecting property name enclosed in double quotes")
		}
		key, err := c.str()
		if err != nil {
			return err
		}
		if c.peek() != ':' {
			return c.bad("Expecting ':' delimiter")
		}
		c.i++
		if err := field(key); err != nil {
			return err
		}
		if more, err := c.more('}'); !more {
			return err
		}
	}
}

// array calls item for each element; item must read or skip it.
func (c *cursor) array(item func() error) error {
	if c.peek() != '[' {
		return c.bad("Expecting an array")
	}
	if err := c.enter(); err != nil {
		return err
	}
	defer func() { c.depth-- }()
	if c.peek() == ']' {
		c.i++
		return nil
	}
	for {
		if err := item(); err != nil {
			return err
		}
		if more, err := c.more(']'); !more {
			return err
		}
	}
}

func (c *cursor) enter() error {
	if c.depth++; c.depth > maxDepth {
		return c.bad("Too deep")
	}
	c.i++
	return nil
}

// more steps over a comma, or over the closing bracket.
func (c *cursor) more(closing byte) (bool, error) {
	switch c.peek() {
	case ',':
		c.i++
		return true, nil
	case closing:
		c.i++
		return false, nil
	}
	return false, c.bad("Expecting ',' delimiter")
}

// skip steps over any value and gives its bytes.
func (c *cursor) skip() ([]byte, error) {
	first := c.peek()
	from := c.i
	var err error
	switch first {
	case '{':
		err = c.object(func([]byte) error { _, err := c.skip(); return err })
	case '[':
		err = c.array(func() error { _, err := c.skip(); return err })
	case '"':
		_, err = c.str()
	case 't':
		err = c.word("true")
	case 'f':
		err = c.word("false")
	case 'n':
		err = c.word("null")
	default:
		_, err = c.number()
	}
	return c.b[from:c.i], err
}

func (c *cursor) word(w string) error {
	if !bytes.HasPrefix(c.b[c.i:], []byte(w)) {
		return c.bad("Expecting value")
	}
	c.i += len(w)
	return nil
}

// null steps over null, if that is what stands here.
func (c *cursor) null() (bool, error) {
	if c.peek() != 'n' {
		return false, nil
	}
	return true, c.word("null")
}

// number reads the text of a number.
func (c *cursor) number() ([]byte, error) {
	c.peek()
	from := c.i
	digits := func() bool {
		start := c.i
		for c.i < len(c.b) && c.b[c.i]-'0' < 10 {
			c.i++
		}
		return c.i > start
	}
	is := func(set string) bool {
		if c.i < len(c.b) && bytes.IndexByte([]byte(set), c.b[c.i]) >= 0 {
			c.i++
			return true
		}
		return false
	}
	is("-")
	if !is("0") && !digits() {
		return nil, c.bad("Expecting value")
	}
	if is(".") && !digits() {
		return nil, c.bad("Expecting digits")
	}
	if is("eE") {
		is("+-")
		if !digits() {
			return nil, c.bad("Expecting digits")
		}
	}
	return c.b[from:c.i], nil
}

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
