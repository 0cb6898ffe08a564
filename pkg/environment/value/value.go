package value

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"unicode/utf8"
)

// MaxDepth is how deeply a value may be nested. It is less than that of a message, which carries a whole state at times.
const MaxDepth = 24

// ErrInvalid says that something is no value: not finite, not UTF-8, nested too deeply, or of a type without a JSON form.
var ErrInvalid = errors.New("not a value")

// Normal returns v in normal form. It copies what can be changed. Go's own types are taken as encoding/json sees them.
func Normal(v any) (any, error) { return normal(v, 1) }

func normal(v any, depth int) (any, error) {
	if depth > MaxDepth {
		return nil, fmt.Errorf("%w: nested deeper than %d", ErrInvalid, MaxDepth)
	}
	switch v := v.(type) {
	case nil, bool, int64:
		return v, nil
	case int:
		return int64(v), nil
	case float64:
		return number(v)
	case string:
		if !utf8.ValidString(v) {
			return nil, fmt.Errorf("%w: text %.40q is not UTF-8", ErrInvalid, v)
		}
		return v, nil
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			n, err := normal(e, depth+1)
			if err != nil {
				return nil, fmt.Errorf("[%d]: %w", i, err)
			}
			out[i] = n
		}
		return out, nil
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			if !utf8.ValidString(k) {
				return nil, fmt.Errorf("%w: name %.40q is not UTF-8", ErrInvalid, k)
			}
			n, err := normal(e, depth+1)
			if err != nil {
				return nil, fmt.Errorf("%q: %w", k, err)
			}
			out[k] = n
		}
		return out, nil
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return parse(raw, depth)
}

// number is a float in normal form: a whole number that fits is an int64.
func number(f float64) (any, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, fmt.Errorf("%w: the number is %v", ErrInvalid, f)
	}
	if f == math.Trunc(f) && f >= math.MinInt64 && f < math.MaxInt64 {
		return int64(f), nil
	}
	return f, nil
}

// Parse reads a value from JSON, whole numbers exactly.
func Parse(raw []byte) (any, error) { return parse(raw, 1) }

func parse(raw []byte, depth int) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if dec.More() {
		return nil, fmt.Errorf("%w: something follows the JSON value", ErrInvalid)
	}
	return settle(v, depth)
}

// settle brings what encoding/json read into normal form, in place.
func settle(v any, depth int) (any, error) {
	if depth > MaxDepth {
		return nil, fmt.Errorf("%w: nested deeper than %d", ErrInvalid, MaxDepth)
	}
	var err error
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n, nil
		}
		f, err := v.Float64()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		return number(f)
	case []any:
		for i := range v {
			if v[i], err = settle(v[i], depth+1); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for k := range v {
			if v[k], err = settle(v[k], depth+1); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// Equal reports whether two values in normal form are the same.
func Equal(a, b any) bool {
	switch a := a.(type) {
	case int64, string, bool, float64, nil:
		return a == b
	}
	return reflect.DeepEqual(a, b)
}
