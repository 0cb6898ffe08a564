package llm

import (
	"fmt"
	"math"
	"unsafe"
)

// Head is a request of which only what stands before the calls was read: enough to accept or refuse it, at a cost that
// does not depend on the number of calls. Its texts are parts of the payload.
type Head struct {
	V       int
	ID      uint64
	Run     string
	Round   int
	Model   string // bytes, as in Request
	System  string
	Purpose uint8
	Facts   string // bytes, as in Request
	Count   int    // calls that follow, at most MaxCalls

	// What follows the calls, once Asks has read them.
	Deadline int64
	Budget   string // bytes, as in Request

	payload string
	calls   int // where the first call begins
	more    int // fields after the calls, unknown here
}

// Ask is a call as players need it that read no prompt: 16 bytes. The rest of the call is in the Body.
type Ask struct {
	Agent   uint64
	Attempt uint32
	at      uint32 // where the call begins in the payload
}

// ReadHead reads the head of a request. It allocates nothing: the head is a view of data, which must not change as long
// as the head, a text of it or its body is in use. Errors wrap ErrVersion, ErrDamaged or ErrTooLarge; with an error the
// head still carries V and ID where they could be read, so that a refusal can be addressed.
func ReadHead(data []byte) (Head, error) {
	var h Head
	if len(data) > MaxBytes {
		return h, fmt.Errorf("%w: a request of %d bytes, %d are allowed", ErrTooLarge, len(data), MaxBytes)
	}
	// Copying the payload to get a string would cost as much as all that is read here.
	h.payload = unsafe.String(unsafe.SliceData(data), len(data))
	c := cursor{s: h.payload}
	if err := h.read(&c); err != nil {
		return Head{V: h.V, ID: h.ID}, err
	}
	h.calls = c.pos
	return h, nil
}

// read takes the fields up to the header of the calls.
func (h *Head) read(c *cursor) error {
	const calls = 8 // the field they are
	n := c.array()
	if n < 2 {
		c.fail("a request has at least a version and an id")
	}
	for i := range min(n, calls+1) {
		switch i {
		case 0:
			h.V = int(c.uint(math.MaxInt32))
		case 1:
			h.ID = c.uint(math.MaxUint64)
			if c.err == nil && h.V != Version {
				return fmt.Errorf("%w: %d, known is %d", ErrVersion, h.V, Version)
			}
		case 2:
			h.Run = c.text()
		case 3:
			h.Round = int(c.uint(math.MaxInt32))
		case 4:
			h.Model = c.text()
		case 5:
			h.System = c.text()
		case 6:
			h.Purpose = uint8(c.uint(math.MaxUint8))
		case 7:
			h.Facts = c.text()
		case calls:
			h.Count, h.more = c.array(), n-calls-1
		}
	}
	if h.Count > MaxCalls {
		return fmt.Errorf("%w: %d calls in a request, %d are allowed", ErrTooLarge, h.Count, MaxCalls)
	}
	return c.err
}

// Asks reads the calls, Count of them, and checks the whole payload: what the Body gives afterwards is well-formed.
// Errors wrap ErrDamaged.
func (h *Head) Asks() ([]Ask, error) {
	c := cursor{s: h.payload, pos: h.calls}
	asks := make([]Ask, h.Count)
	for i := range asks {
		a := &asks[i]
		a.at = uint32(c.pos) //nolint:gosec // bounded by MaxBytes
		if c.plainAsk(a) {
			continue
		}
		c.ask(a)
		if c.err != nil {
			return nil, c.err
		}
	}
	for i := range h.more {
		switch i {
		case 0:
			h.Deadline = int64(c.uint(math.MaxInt64)) //nolint:gosec // limited
		case 1:
			h.Budget = c.text()
		default:
			c.skip()
		}
	}
	if err := c.end(); err != nil {
		return nil, err
	}
	return asks, nil
}

// Size is the length of the payload in bytes.
func (h *Head) Size() int { return len(h.payload) }

// Body gives access to the texts of the calls.
func (h *Head) Body() Body { return Body{h.payload} }

// ask reads the numbers of a call and checks the rest of it, as strictly as Body will read it.
func (c *cursor) ask(a *Ask) {
	for j := range c.array() {
		switch j {
		case 0:
			a.Agent = c.uint(math.MaxUint64)
		case 1:
			a.Attempt = uint32(c.uint(math.MaxUint32))
		case 2:
			for range c.array() {
				c.message()
			}
		case 3:
			for range c.dict() {
				c.text()
				c.text()
			}
		case 4:
			for range c.dict() {
				c.text()
				c.float()
			}
		default:
			c.skip()
		}
	}
}
