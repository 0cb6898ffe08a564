package llm

import (
	"bytes"
	"fmt"
)

// EncodeRequest returns the payload of r. The version is written by it, whatever r.V says. It returns ErrTooLarge if r
// exceeds MaxCalls or MaxBytes.
func EncodeRequest(r *Request) ([]byte, error) { return AppendRequest(nil, r) }

// AppendRequest is EncodeRequest into a buffer that the caller reuses: it returns dst with the payload appended.
func AppendRequest(dst []byte, r *Request) ([]byte, error) {
	if len(r.Calls) > MaxCalls {
		return dst, fmt.Errorf("%w: %d calls in a request, %d are allowed", ErrTooLarge, len(r.Calls), MaxCalls)
	}
	b := appendArray(dst, requestFields)
	b = appendHead(b, r)
	b = appendArray(b, len(r.Calls))
	for i := range r.Calls {
		b = appendCall(b, &r.Calls[i])
	}
	b = appendTail(b, r)
	if n := len(b) - len(dst); n > MaxBytes {
		return dst, fmt.Errorf("%w: a request of %d bytes, %d are allowed", ErrTooLarge, n, MaxBytes)
	}
	return b, nil
}

// Numbers of elements of the arrays of a request, of a call and of a message.
const (
	requestFields = 11
	callFields    = 5
	messageFields = 3
)

// appendTail writes what follows the calls.
func appendTail(b []byte, r *Request) []byte {
	return appendBytes(appendInt(b, r.Deadline), r.Budget)
}

// appendHead writes everything of a request before its calls.
func appendHead(b []byte, r *Request) []byte {
	b = appendUint(b, Version)
	b = appendUint(b, r.ID)
	b = appendString(b, r.Run)
	b = appendInt(b, int64(r.Round))
	b = appendBytes(b, r.Model)
	b = appendString(b, r.System)
	b = appendUint(b, uint64(r.Purpose))
	return appendBytes(b, r.Facts)
}

func appendCall(b []byte, call *Call) []byte {
	b = appendArray(b, callFields)
	b = appendUint(b, call.Agent)
	b = appendUint(b, uint64(call.Attempt))
	b = appendArray(b, len(call.Messages))
	for _, m := range call.Messages {
		b = appendArray(b, messageFields)
		b = appendString(b, m.Role)
		b = appendString(b, m.Content)
		if m.Parts == nil {
			b = append(b, 0xc0)
		} else {
			b = appendBytes(b, m.Parts)
		}
	}
	b = appendTexts(b, call.Persona)
	return appendFloats(b, call.Own)
}

// DecodeRequest reads a whole payload. The request does not alias data. Errors wrap ErrVersion, ErrDamaged or
// ErrTooLarge; with an error the request still carries V and ID where they could be read, so that a refusal can be
// addressed. Who does not need every text of every call uses ReadHead.
func DecodeRequest(data []byte) (*Request, error) {
	h, err := ReadHead(bytes.Clone(data))
	if err != nil {
		return &Request{V: h.V, ID: h.ID}, err
	}
	asks, err := h.Asks()
	if err != nil {
		return &Request{V: h.V, ID: h.ID}, err
	}
	r := &Request{
		V: h.V, ID: h.ID, Run: h.Run, Round: h.Round, Model: append([]byte(nil), h.Model...), System: h.System,
		Purpose: h.Purpose, Facts: append([]byte(nil), h.Facts...), Deadline: h.Deadline, Budget: append([]byte(nil), h.Budget...),
	}
	if len(asks) > 0 {
		r.Calls = make([]Call, len(asks))
	}
	body := h.Body()
	for i, a := range asks {
		call := &r.Calls[i]
		call.Agent, call.Attempt, call.Messages = a.Agent, a.Attempt, body.Messages(a)
		call.Persona, call.Own = body.Attributes(a)
	}
	return r, nil
}
