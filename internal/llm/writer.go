package llm

import (
	"encoding/binary"
	"fmt"
	"math"
)

// RequestWriter writes a request call by call into one buffer that it keeps, so that prompts are rendered where they are
// sent from. What it writes is what AppendRequest writes, but that lengths which are not known beforehand take their
// longest form. The order of calls is Reset, then for each call Begin, its messages, End; then Bytes. It is used by one
// goroutine at a time. The zero value is ready for Reset.
type RequestWriter struct {
	buf        []byte
	calls      int
	callsAt    int // where the number of calls stands
	callAt     int // where the present or last call begins
	messageAt  int // where the present or last message begins
	messages   int // of the present call
	messagesAt int // where their number stands
	tail       []byte
}

// Reset begins a request with everything of r but its calls.
func (w *RequestWriter) Reset(r *Request) {
	b := appendArray(w.buf[:0], requestFields)
	b = appendHead(b, r)
	w.tail = appendTail(w.tail[:0], r)
	w.callsAt = len(b)
	w.buf = append(b, 0xdc, 0, 0)
	w.calls, w.callAt = 0, len(w.buf)
}

// Begin begins a call. Attempt is that of Call.
func (w *RequestWriter) Begin(agent uint64, attempt uint32) {
	w.callAt = len(w.buf)
	b := appendArray(w.buf, callFields)
	b = appendUint(b, agent)
	b = appendUint(b, uint64(attempt))
	w.messages, w.messagesAt = 0, len(b)
	w.buf = append(b, 0xdc, 0, 0)
	w.calls++
}

// Message begins a message of the present call. The caller appends the content to the returned buffer and gives it back
// with Content; what stands before it is not the caller's.
func (w *RequestWriter) Message(role string) []byte {
	w.messages++
	w.messageAt = len(w.buf)
	b := appendArray(w.buf, messageFields)
	b = appendString(b, role)
	w.buf = append(b, 0xdb, 0, 0, 0, 0)
	return w.buf
}

// Content ends the message that Message began. It returns the content, which is valid until the buffer grows.
func (w *RequestWriter) Content(buf []byte) []byte {
	from := len(w.buf)
	binary.BigEndian.PutUint32(buf[from-4:], uint32(min(len(buf)-from, math.MaxUint32))) //nolint:gosec // Bytes refuses far shorter ones
	w.buf = append(buf, 0xc0)
	return w.buf[from : len(w.buf)-1]
}

// Attach adds content parts, a JSON array as in Message.Parts, to the message that Content ended.
func (w *RequestWriter) Attach(parts []byte) {
	w.buf = appendBytes(w.buf[:len(w.buf)-1], parts)
}

// Cancel takes back the message that Message began.
func (w *RequestWriter) Cancel() {
	w.buf = w.buf[:w.messageAt]
	w.messages--
}

// End ends the present call. Persona and own are those of Call.
func (w *RequestWriter) End(persona map[string]string, own map[string]float64) {
	binary.BigEndian.PutUint16(w.buf[w.messagesAt+1:], uint16(min(w.messages, math.MaxUint16))) //nolint:gosec // limited
	w.buf = appendFloats(appendTexts(w.buf, persona), own)
}

// Drop takes the last call back, ended or not.
func (w *RequestWriter) Drop() {
	w.buf = w.buf[:w.callAt]
	w.calls--
}

// Calls is the number of calls begun and not dropped.
func (w *RequestWriter) Calls() int { return w.calls }

// Size is the number of bytes written so far.
func (w *RequestWriter) Size() int { return len(w.buf) }

// Bytes ends the request, to which nothing can be added then, and returns it; it is valid until the next Reset. It returns ErrTooLarge if the request exceeds
// MaxCalls or MaxBytes.
func (w *RequestWriter) Bytes() ([]byte, error) {
	if w.calls > MaxCalls {
		return nil, fmt.Errorf("%w: %d calls in a request, %d are allowed", ErrTooLarge, w.calls, MaxCalls)
	}
	w.buf = append(w.buf, w.tail...)
	w.tail = w.tail[:0]
	if len(w.buf) > MaxBytes {
		return nil, fmt.Errorf("%w: a request of %d bytes, %d are allowed", ErrTooLarge, len(w.buf), MaxBytes)
	}
	binary.BigEndian.PutUint16(w.buf[w.callsAt+1:], uint16(w.calls)) //nolint:gosec // at most MaxCalls
	return w.buf, nil
}
