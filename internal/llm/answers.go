package llm

import (
	"encoding/binary"
	"math"
)

// Answers gathers the completions of calls that follow each other in a request and cost neither tokens nor retries, and
// writes their result. The texts are written where they are made, so that a completion costs no string. It is used by
// one goroutine at a time. The zero value is ready for use.
type Answers struct {
	texts  []byte // as in the payload
	begun  int    // where the present text begins
	count  int
	errs   []string // nil while no call failed
	failed int
}

// textRoom is the space before a text for its length; that of a short one needs no more.
const textRoom = 1

// Reset forgets what was gathered.
func (a *Answers) Reset() { *a = Answers{texts: a.texts[:0]} }

// Begin begins the completion of the next call. The caller appends the text to the returned buffer and gives it back
// with End; what stands before is not the caller's. Fail instead of End says that there is no text.
func (a *Answers) Begin() []byte {
	a.begun = len(a.texts)
	return append(a.texts, 0xa0)
}

// End ends what Begin began.
func (a *Answers) End(buf []byte) {
	if n := len(buf) - a.begun - textRoom; n < 32 {
		buf[a.begun] = 0xa0 | byte(n)
		a.texts = buf
	} else {
		a.texts = longText(buf, a.begun, n)
	}
	a.count++
	if a.errs != nil {
		a.errs = append(a.errs, "")
	}
}

// longText moves a text of n bytes that begins at its header, so that there is room for a longer one.
func longText(buf []byte, at, n int) []byte {
	var head []byte
	switch {
	case n <= math.MaxUint8:
		head = []byte{0xd9, byte(n)}
	case n <= math.MaxUint16:
		head = binary.BigEndian.AppendUint16([]byte{0xda}, uint16(n))
	default:
		head = binary.BigEndian.AppendUint32([]byte{0xdb}, uint32(min(n, math.MaxUint32))) //nolint:gosec // limited
	}
	buf = append(buf, head[textRoom:]...)
	copy(buf[at+len(head):], buf[at+textRoom:])
	copy(buf[at:], head)
	return buf
}

// Fail ends what Begin began: the call failed for good. Why must not be empty.
func (a *Answers) Fail(why string) {
	if a.errs == nil {
		a.errs = make([]string, a.count, MaxCalls)
	}
	a.errs = append(a.errs, why)
	a.texts = append(a.texts[:a.begun], 0xa0)
	a.count++
	a.failed++
}

// Count is the number of calls gathered, Failed how many of them failed, and Size what their texts take in bytes.
func (a *Answers) Count() int { return a.count }

// Failed is told of with Count.
func (a *Answers) Failed() int { return a.failed }

// Size is told of with Count.
func (a *Answers) Size() int { return len(a.texts) }

// Append returns dst with the payload of the result appended: that of the calls from first on of the request with the
// given id. Done is that of Result. Errors are those of AppendResult.
func (a *Answers) Append(dst []byte, id uint64, first int, done bool) ([]byte, error) {
	if first+a.count > MaxCalls {
		return dst, tooManyAnswers(first + a.count)
	}
	b := appendArray(dst, resultFields)
	b = appendUint(b, Version)
	b = appendUint(b, id)
	b = appendBool(b, done)
	b = appendArray(b, a.count)
	b = append(b, positionBytes[positionAt(first):positionAt(first+a.count)]...)
	b = appendArray(b, a.count)
	b = append(b, a.texts...)
	b = append(b, 0x90, 0x90, 0x90) // tokens in and out, retries
	b = appendStrings(b, a.errs)
	b = append(b, 0xa0, 0xa0, 0x90, 0x90, 0xc2, 0x90, 0xc2) // served, refused, cut, shared, apportioned, rejected, plain
	if n := len(b) - len(dst); n > MaxBytes {
		return dst, tooLongResult(n)
	}
	return b, nil
}
