package llm

import (
	"fmt"
	"math"
)

// EncodeRequest returns the payload of r. The version is written by it, whatever r.V says. It returns ErrTooLarge if r
// exceeds MaxCalls or MaxBytes.
func EncodeRequest(r *Request) ([]byte, error) { return AppendRequest(nil, r) }

// AppendRequest is EncodeRequest into a buffer that the caller reuses: it returns dst with the payload appended.
func AppendRequest(dst []byte, r *Request) ([]byte, error) {
	if len(r.Calls) > MaxCalls {
		return dst, fmt.Errorf("%w: %d calls in a request, %d are allowed", ErrTooLarge, len(r.Calls), MaxCalls)
	}
	b := appendArray(dst, 9)
	b = appendUint(b, Version)
	b = appendUint(b, r.ID)
	b = appendString(b, r.Run)
	b = appendInt(b, int64(r.Round))
	b = appendBytes(b, r.Model)
	b = appendString(b, r.System)
	b = appendUint(b, uint64(r.Purpose))
	b = appendBytes(b, r.Facts)
	b = appendArray(b, len(r.Calls))
	for i := range r.Calls {
		b = appendCall(b, &r.Calls[i])
	}
	if n := len(b) - len(dst); n > MaxBytes {
		return dst, fmt.Errorf("%w: a request of %d bytes, %d are allowed", ErrTooLarge, n, MaxBytes)
	}
	return b, nil
}

func appendCall(b []byte, call *Call) []byte {
	b = appendArray(b, 5)
	b = appendUint(b, call.Agent)
	b = appendUint(b, uint64(call.Attempt))
	b = appendArray(b, len(call.Messages))
	for _, m := range call.Messages {
		b = appendArray(b, 2)
		b = appendString(b, m.Role)
		b = appendString(b, m.Content)
	}
	b = appendTexts(b, call.Persona)
	return appendFloats(b, call.Own)
}

// DecodeRequest reads a payload. The request does not alias data. Errors wrap ErrVersion, ErrDamaged or ErrTooLarge;
// with an error the request still carries V and ID where they could be read, so that a refusal can be addressed.
func DecodeRequest(data []byte) (*Request, error) {
	r := new(Request)
	if len(data) > MaxBytes {
		return r, fmt.Errorf("%w: a request of %d bytes, %d are allowed", ErrTooLarge, len(data), MaxBytes)
	}
	c := &cursor{s: string(data)}
	n := c.array()
	if n < 2 {
		c.fail("a request has at least a version and an id")
	}
	for i := range n {
		switch i {
		case 0:
			r.V = int(c.uint(math.MaxInt32))
		case 1:
			r.ID = c.uint(math.MaxUint64)
			if c.err == nil && r.V != Version {
				return r, fmt.Errorf("%w: %d, known is %d", ErrVersion, r.V, Version)
			}
		case 2:
			r.Run = c.text()
		case 3:
			r.Round = int(c.uint(math.MaxInt32))
		case 4:
			r.Model = []byte(c.text())
		case 5:
			r.System = c.text()
		case 6:
			r.Purpose = uint8(c.uint(math.MaxUint8))
		case 7:
			r.Facts = []byte(c.text())
		case 8:
			r.Calls = c.calls()
		default:
			c.skip()
		}
		if c.err != nil {
			return &Request{V: r.V, ID: r.ID}, c.err
		}
	}
	if err := c.end(); err != nil {
		return &Request{V: r.V, ID: r.ID}, err
	}
	return r, nil
}

func (c *cursor) calls() []Call {
	n := c.array()
	if n > MaxCalls {
		c.fail("%d calls in a request", n)
		c.err = fmt.Errorf("%w: %d calls in a request, %d are allowed", ErrTooLarge, n, MaxCalls)
		return nil
	}
	if n == 0 {
		return nil
	}
	calls := make([]Call, n)
	// One message a call is the rule; where there are more the arena grows, and what was cut from it stays valid.
	arena := make([]Message, 0, n)
	for i := range calls {
		call := &calls[i]
		for j := range c.array() {
			switch j {
			case 0:
				call.Agent = c.uint(math.MaxUint64)
			case 1:
				call.Attempt = uint32(c.uint(math.MaxUint32))
			case 2:
				call.Messages, arena = c.messages(arena)
			case 3:
				call.Persona = c.textMap()
			case 4:
				call.Own = c.floats()
			default:
				c.skip()
			}
		}
		if c.err != nil {
			return nil
		}
	}
	return calls
}

// messages reads the messages of a call into the arena and returns them as a slice of it.
func (c *cursor) messages(arena []Message) (own, rest []Message) {
	n, from := c.array(), len(arena)
	for range n {
		var m Message
		for i := range c.array() {
			switch i {
			case 0:
				m.Role = c.text()
			case 1:
				m.Content = c.text()
			default:
				c.skip()
			}
		}
		if c.err != nil {
			return nil, arena
		}
		arena = append(arena, m)
	}
	return arena[from:len(arena):len(arena)], arena
}
