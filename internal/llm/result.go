package llm

import (
	"fmt"
	"math"
)

// resultFields is the number of fields of a result.
const resultFields = 16

// EncodeResult returns the payload of r. The version is written by it, whatever r.V says. It returns ErrTooLarge if r
// exceeds MaxCalls or MaxBytes, and ErrDamaged if its columns differ in length.
func EncodeResult(r *Result) ([]byte, error) { return AppendResult(nil, r) }

// AppendResult is EncodeResult into a buffer that the caller reuses: it returns dst with the payload appended.
func AppendResult(dst []byte, r *Result) ([]byte, error) {
	if err := r.check(); err != nil {
		return dst, err
	}
	b := appendArray(dst, resultFields)
	b = appendUint(b, Version)
	b = appendUint(b, r.ID)
	b = appendBool(b, r.Done)
	b = appendIndex(b, r.Index)
	b = appendStrings(b, r.Text)
	b = appendCounts(b, r.TokensIn)
	b = appendCounts(b, r.TokensOut)
	b = appendCounts(b, r.Retries)
	b = appendStrings(b, r.Error)
	b = appendString(b, r.Served)
	b = appendString(b, r.Refused)
	b = appendUints(b, r.Cut)
	b = appendUints(b, r.Shared)
	b = appendBool(b, r.Apportioned)
	b = appendUints(b, r.Rejected)
	b = appendBool(b, r.Plain)
	if n := len(b) - len(dst); n > MaxBytes {
		return dst, tooLongResult(n)
	}
	return b, nil
}

func tooLongResult(n int) error {
	return fmt.Errorf("%w: a result of %d bytes, %d are allowed", ErrTooLarge, n, MaxBytes)
}

func tooManyAnswers(n int) error {
	return fmt.Errorf("%w: %d completions in a result, %d are allowed", ErrTooLarge, n, MaxCalls)
}

// check reports columns that do not fit together.
func (r *Result) check() error {
	n := len(r.Index)
	if n > MaxCalls {
		return tooManyAnswers(n)
	}
	if len(r.Text) != n || odd(len(r.TokensIn), n) || odd(len(r.TokensOut), n) || odd(len(r.Retries), n) || odd(len(r.Error), n) || odd(len(r.Shared), n) {
		return fmt.Errorf("%w: the columns of a result differ in length", ErrDamaged)
	}
	for _, at := range r.Cut {
		if int(at) >= n {
			return fmt.Errorf("%w: completion %d of %d was cut", ErrDamaged, at, n)
		}
	}
	for _, at := range r.Rejected {
		if int(at) >= len(r.Error) {
			return fmt.Errorf("%w: completion %d of %d was rejected without an error", ErrDamaged, at, n)
		}
	}
	return nil
}

// odd reports a column that is neither there for all n nor empty.
func odd(have, n int) bool { return have != n && have != 0 }

// DecodeResult reads a payload. The result does not alias data; its columns of numbers may be shared with other results
// and must not be written to. Errors wrap ErrVersion, ErrDamaged or ErrTooLarge.
func DecodeResult(data []byte) (*Result, error) {
	if len(data) > MaxBytes {
		return nil, tooLongResult(len(data))
	}
	c := &cursor{s: string(data)}
	r := new(Result)
	n := c.array()
	if n < 2 {
		c.fail("a result has at least a version and an id")
	}
	for i := range n {
		switch i {
		case 0:
			r.V = int(c.uint(math.MaxInt32))
			if c.err == nil && r.V != Version {
				return nil, fmt.Errorf("%w: %d, known is %d", ErrVersion, r.V, Version)
			}
		case 1:
			r.ID = c.uint(math.MaxUint64)
		case 2:
			r.Done = c.bool()
		case 3:
			r.Index = c.index()
		case 4:
			r.Text = c.texts()
		case 5:
			r.TokensIn = numbers[uint32](c, math.MaxUint32)
		case 6:
			r.TokensOut = numbers[uint32](c, math.MaxUint32)
		case 7:
			r.Retries = numbers[uint8](c, math.MaxUint8)
		case 8:
			r.Error = c.texts()
		case 9:
			r.Served = c.text()
		case 10:
			r.Refused = c.text()
		case 11:
			r.Cut = numbers[uint32](c, MaxCalls-1)
		case 12:
			r.Shared = numbers[uint64](c, math.MaxUint64)
		case 13:
			r.Apportioned = c.bool()
		case 14:
			r.Rejected = numbers[uint32](c, MaxCalls-1)
		case 15:
			r.Plain = c.bool()
		default:
			c.skip()
		}
		if c.err != nil {
			return nil, c.err
		}
	}
	if err := c.end(); err != nil {
		return nil, err
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	r.fill()
	return r, nil
}

// fill gives columns that were sent empty their zeros.
func (r *Result) fill() {
	n := len(r.Index)
	if len(r.TokensIn) == 0 {
		r.TokensIn = zeros[:n:n]
	}
	if len(r.TokensOut) == 0 {
		r.TokensOut = zeros[:n:n]
	}
	if len(r.Retries) == 0 {
		r.Retries = zeroBytes[:n:n]
	}
}

// numbers reads a column. A library that takes a column of uint8 for bytes writes it as binary; that is read too.
func numbers[T uint8 | uint32 | uint64](c *cursor, most uint64) []T {
	if c.pos < len(c.s) && c.s[c.pos] >= 0xc4 && c.s[c.pos] <= 0xc6 {
		raw := c.text()
		if raw == "" {
			return nil
		}
		list := make([]T, len(raw))
		for i := range list {
			list[i] = T(raw[i])
		}
		return list
	}
	n := c.array()
	if n == 0 {
		return nil
	}
	list := make([]T, n)
	for i := range list {
		list[i] = T(c.uint(most))
	}
	return list
}
