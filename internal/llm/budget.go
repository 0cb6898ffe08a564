package llm

import (
	"fmt"
	"math"
)

// Cap is what may be spent at most; 0 is no cap. A micro is a millionth of the unit of money of the price table.
type Cap struct {
	_msgpack struct{} `msgpack:",as_array"`
	Tokens   uint64
	Micros   uint64
}

// Budget is what a run may spend, beside a request of it. Seq is the place in the log of the record that says so: of two
// budgets of a run the one with the higher Seq holds.
type Budget struct {
	_msgpack struct{} `msgpack:",as_array"`
	Seq      uint64
	Run      Cap // on all its models
	Model    Cap // on the model of the request
}

// EncodeBudget returns the payload of b, for Request.Budget.
func EncodeBudget(b *Budget) []byte {
	out := appendArray(nil, 3)
	out = appendUint(out, b.Seq)
	return appendCap(appendCap(out, b.Run), b.Model)
}

func appendCap(b []byte, c Cap) []byte {
	return appendUint(appendUint(appendArray(b, 2), c.Tokens), c.Micros)
}

// DecodeBudget reads Request.Budget. Errors wrap ErrDamaged or ErrTooLarge.
func DecodeBudget(data []byte) (Budget, error) {
	var b Budget
	if len(data) > MaxBytes {
		return b, fmt.Errorf("%w: a budget of %d bytes, %d are allowed", ErrTooLarge, len(data), MaxBytes)
	}
	c := &cursor{s: string(data)}
	for i := range c.array() {
		switch i {
		case 0:
			b.Seq = c.uint(math.MaxUint64)
		case 1:
			b.Run = c.cap()
		case 2:
			b.Model = c.cap()
		default:
			c.skip()
		}
	}
	if c.err != nil {
		return Budget{}, c.err
	}
	return b, c.end()
}

func (c *cursor) cap() (out Cap) {
	for i := range c.array() {
		switch i {
		case 0:
			out.Tokens = c.uint(math.MaxUint64)
		case 1:
			out.Micros = c.uint(math.MaxUint64)
		default:
			c.skip()
		}
	}
	return out
}
