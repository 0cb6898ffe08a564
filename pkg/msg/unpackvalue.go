package msg

import (
	"fmt"
	"math"
	"unicode/utf8"
)

// maxRoom is how many elements a list or a map is given room for before they are there. What a length promises beyond that,
// or in vain, costs nothing.
const maxRoom = 64

// value reads the next value in normal form.
func (c *cursor) value(depth int) (any, error) {
	if depth > MaxDepth {
		return nil, tooDeep()
	}
	h, err := c.head()
	if err != nil {
		return nil, err
	}
	return c.rest(h, depth)
}

// rest reads a value after its head.
func (c *cursor) rest(h head, depth int) (any, error) {
	switch h.kind {
	case kindNil:
		return nil, nil
	case kindBool:
		return h.n == 1, nil
	case kindInt:
		return int64(h.n), nil
	case kindLarge:
		return float64(h.n), nil
	case kindFloat32:
		return float(float64(math.Float32frombits(uint32(h.n))))
	case kindFloat64:
		return float(math.Float64frombits(h.n))
	case kindText:
		return c.text(h)
	case kindList:
		return c.list(h, depth)
	case kindMap:
		return c.pairs(h, depth)
	default:
		return nil, fmt.Errorf("%w: bytes and extensions of msgpack have no place in a message", ErrMalformed)
	}
}

// text reads a text after its head.
func (c *cursor) text(h head) (string, error) {
	b, err := c.textBytes(h)
	return string(b), err
}

// textBytes is text without a string of its own: it holds until the next read.
func (c *cursor) textBytes(h head) ([]byte, error) {
	b, err := c.take(h.count())
	if err == nil && !utf8.Valid(b) {
		err = checkText(string(b))
	}
	return b, err
}

func (c *cursor) list(h head, depth int) ([]any, error) {
	n := h.count()
	list := make([]any, 0, min(n, maxRoom))
	for range n {
		v, err := c.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

func (c *cursor) pairs(h head, depth int) (map[string]any, error) {
	n := h.count()
	m := make(map[string]any, min(n, maxRoom))
	for i := range n {
		key, err := c.key()
		if err != nil {
			return nil, err
		}
		v, err := c.value(depth + 1)
		if err != nil {
			if _, twice := m[key]; twice {
				return nil, twiceError(key)
			}
			return nil, err
		}
		m[key] = v
		if len(m) == i {
			return nil, twiceError(key)
		}
	}
	return m, nil
}

func (c *cursor) key() (string, error) {
	h, err := c.head()
	if err != nil {
		return "", err
	}
	if h.kind != kindText {
		return "", fmt.Errorf("%w: something else instead of a name", ErrMalformed)
	}
	return c.text(h)
}

// skip steps over a value of any type, which a later version appended.
func (c *cursor) skip(depth int) error {
	if depth > MaxDepth {
		return tooDeep()
	}
	h, err := c.head()
	if err != nil {
		return err
	}
	values := 0
	switch h.kind {
	case kindText, kindBytes:
		_, err = c.take(h.count())
	case kindExt:
		if _, err = c.take(1); err == nil { // its type
			_, err = c.take(h.count())
		}
	case kindList:
		values = h.count()
	case kindMap:
		values = head{n: 2 * h.n}.count()
	}
	for range values {
		if err := c.skip(depth + 1); err != nil {
			return err
		}
	}
	return err
}

func tooDeep() error { return fmt.Errorf("%w: the limit is %d", ErrTooDeep, MaxDepth) }

func twiceError(key string) error { return fmt.Errorf("%w: %.40q comes twice", ErrMalformed, key) }
