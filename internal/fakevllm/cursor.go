package fakevllm

import (
	"bytes"
	"strconv"
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
