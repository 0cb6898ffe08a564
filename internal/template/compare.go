package template

import (
	"cmp"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/myriad-sim/myriad/internal/expression"
)

// worldNumber prints the way people write numbers: never with an exponent.
type worldNumber float64

func (n worldNumber) String() string { return strconv.FormatFloat(float64(n), 'f', -1, 64) }

// plain turns a var into a value whose truth text/template understands: it takes any struct as true.
func plain(v expression.Value) any {
	if b, ok := v.Bool(); ok {
		return b
	}
	if f, ok := v.Float(); !ok {
		return v.String()
	} else if f == 0 {
		return worldNumber(0)
	}
	return v
}

// number reads any kind of number.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int:
		return float64(v), true
	case float64:
		return v, true
	case worldNumber:
		return float64(v), true
	case expression.Value:
		return v.Float()
	}
	switch rv := reflect.ValueOf(v); {
	case rv.CanInt():
		return float64(rv.Int()), true
	case rv.CanUint():
		return float64(rv.Uint()), true
	}
	return 0, false
}

// numberIn reads a number, or a text that is one: answers and persona aspects are text.
func numberIn(v any) (float64, bool) {
	if s, ok := v.(string); ok {
		parsed, err := expression.ParseValue(strings.TrimSpace(s))
		if err != nil {
			return 0, false
		}
		v = parsed
	}
	return number(v)
}

// equal compares two numbers of any kind, two texts or two truth values. A number equals a text that reads as the same
// number; values of different kinds are otherwise not equal.
func equal(a, b any) bool {
	if as, ok := a.(string); ok {
		if bs, ok := b.(string); ok {
			return as == bs
		}
	}
	if ab, ok := a.(bool); ok {
		bb, ok := b.(bool)
		return ok && ab == bb
	}
	x, okA := numberIn(a)
	y, okB := numberIn(b)
	return okA && okB && x == y
}

func eq(a any, others ...any) (bool, error) {
	if len(others) == 0 {
		return false, runError{fmt.Errorf("eq wants two values: %w", ErrArgument)}
	}
	for _, b := range others {
		if equal(a, b) {
			return true, nil
		}
	}
	return false, nil
}

func ne(a, b any) bool { return !equal(a, b) }

// order compares numbers, and texts that read as numbers, by value, and other texts by their bytes.
func order(name string, want func(int) bool) func(a, b any) (bool, error) {
	return func(a, b any) (bool, error) {
		x, okA := numberIn(a)
		y, okB := numberIn(b)
		if okA && okB {
			return want(cmp.Compare(x, y)), nil
		}
		as, okA := a.(string)
		bs, okB := b.(string)
		if okA && okB {
			return want(cmp.Compare(as, bs)), nil
		}
		return false, runError{fmt.Errorf("%s cannot compare %.40q with %.40q: %w", name, fmt.Sprint(a), fmt.Sprint(b), ErrArgument)}
	}
}
