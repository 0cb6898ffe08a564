package msg

import (
	"fmt"
	"io"
	"math"
	"slices"
)

// cursor reads msgpack from bytes that are all there, or, inside of a larger value, from the reader of msgpack's own
// decoder; of that it takes no byte too many.
type cursor struct {
	data  []byte
	at    int       // where the next value begins
	more  io.Reader // what follows data; nil for nothing
	wrong error     // the first value of a message that is not of its field's type
}

// kind is what a value is.
type kind uint8

const (
	kindBroken kind = iota // no value begins so
	kindNil
	kindBool
	kindInt
	kindLarge // over the largest int64
	kindFloat32
	kindFloat64
	kindText
	kindBytes
	kindExt
	kindList
	kindMap
)

// head is how a value begins: all of a number, and of what is longer its kind and length.
type head struct {
	kind kind
	n    uint64 // the bits of a number; the bytes of a text, bytes or extension; the elements of a list, the pairs of a map
}

// forms are the type codes 0xc0 to 0xdf: the kind, and how many bytes of number or length follow the code. The others
// have their length or number in the code.
var forms = [32]struct {
	kind kind
	size int
}{
	{kindNil, 0}, {kindBroken, 0}, {kindBool, 0}, {kindBool, 0},
	{kindBytes, 1}, {kindBytes, 2}, {kindBytes, 4},
	{kindExt, 1}, {kindExt, 2}, {kindExt, 4},
	{kindFloat32, 4}, {kindFloat64, 8},
	{kindLarge, 1}, {kindLarge, 2}, {kindLarge, 4}, {kindLarge, 8},
	{kindInt, 1}, {kindInt, 2}, {kindInt, 4}, {kindInt, 8},
	{kindExt, 0}, {kindExt, 0}, {kindExt, 0}, {kindExt, 0}, {kindExt, 0},
	{kindText, 1}, {kindText, 2}, {kindText, 4},
	{kindList, 2}, {kindList, 4}, {kindMap, 2}, {kindMap, 4},
}

// head reads how the next value begins.
func (c *cursor) head() (head, error) {
	if c.at >= len(c.data) {
		if err := c.fill(1); err != nil {
			return head{}, err
		}
	}
	code := c.data[c.at]
	c.at++
	switch {
	case code < 0x80:
		return head{kindInt, uint64(code)}, nil
	case code < 0x90:
		return head{kindMap, uint64(code & 0xf)}, nil
	case code < 0xa0:
		return head{kindList, uint64(code & 0xf)}, nil
	case code < 0xc0:
		return head{kindText, uint64(code & 0x1f)}, nil
	case code >= 0xe0:
		return head{kindInt, uint64(int8(code))}, nil
	}
	form := forms[code-0xc0]
	h := head{kind: form.kind}
	b, err := c.take(form.size)
	if err != nil {
		return head{}, err
	}
	for _, x := range b {
		h.n = h.n<<8 | uint64(x)
	}
	switch h.kind {
	case kindBroken:
		return head{}, fmt.Errorf("%w: msgpack: no value begins with %#x", ErrMalformed, code)
	case kindBool:
		h.n = uint64(code & 1)
	case kindExt:
		if form.size == 0 {
			h.n = 1 << (code - 0xd4)
		}
	case kindInt:
		unused := 64 - 8*form.size
		h.n = uint64(int64(h.n<<unused) >> unused)
	case kindLarge:
		if h.n <= math.MaxInt64 {
			h.kind = kindInt
		}
	}
	return h, nil
}

// count is how many things a length announces.
func (h head) count() int { return int(min(h.n, math.MaxInt)) }

// take reads n bytes. They hold until the next read.
func (c *cursor) take(n int) ([]byte, error) {
	if n > len(c.data)-c.at {
		if err := c.fill(n); err != nil {
			return nil, err
		}
	}
	b := c.data[c.at : c.at+n]
	c.at += n
	return b, nil
}

// fill reads n bytes of what follows. What a length announces is held as it comes, not before. All of data was read: no
// one asks for bytes twice.
func (c *cursor) fill(n int) error {
	if c.more == nil {
		return cut()
	}
	c.data, c.at = c.data[:0], 0
	for have := 0; have < n; have = len(c.data) {
		step := min(n-have, max(have, 4096))
		c.data = slices.Grow(c.data, step)[:have+step]
		if _, err := io.ReadFull(c.more, c.data[have:]); err != nil {
			return cut()
		}
	}
	return nil
}

// cut is the error of data that ends early.
func cut() error { return fmt.Errorf("%w: msgpack: %w", ErrMalformed, io.ErrUnexpectedEOF) }
