package msg

import (
	"fmt"
	"math"
	"unicode/utf8"
)

// normal brings a value into the one form in which it travels and comes back: nil, bool, string, int64, float64, []any
// or map[string]any of these. It copies what it changes. Depth is how deep v already is.
func normal(v any, depth int) (any, error) {
	if depth > MaxDepth {
		return nil, fmt.Errorf("%w: the limit is %d", ErrTooDeep, MaxDepth)
	}
	switch v := v.(type) {
	case nil, bool, int64:
		return v, nil
	case string:
		return v, checkText(v)
	case int:
		return int64(v), nil
	case int8:
		return int64(v), nil
	case int16:
		return int64(v), nil
	case int32:
		return int64(v), nil
	case uint:
		return unsigned(uint64(v)), nil
	case uint8:
		return int64(v), nil
	case uint16:
		return int64(v), nil
	case uint32:
		return int64(v), nil
	case uint64:
		return unsigned(v), nil
	case float32:
		return float(float64(v))
	case float64:
		return float(v)
	case []string:
		list := make([]any, len(v))
		for i := range v {
			list[i] = v[i]
		}
		return normalList(list, depth)
	case []any:
		return normalList(v, depth)
	case map[string]any:
		return normalMap(v, depth)
	default:
		return nil, fmt.Errorf("%w: a %T cannot travel", ErrInvalid, v)
	}
}

func normalList(list []any, depth int) (any, error) {
	out := make([]any, len(list))
	for i, e := range list {
		n, err := normal(e, depth+1)
		if err != nil {
			return nil, fmt.Errorf("[%d]: %w", i, err)
		}
		out[i] = n
	}
	return out, nil
}

func normalMap(m map[string]any, depth int) (map[string]any, error) {
	out := make(map[string]any, len(m))
	for k, e := range m {
		if err := checkText(k); err != nil {
			return nil, err
		}
		n, err := normal(e, depth+1)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", k, err)
		}
		out[k] = n
	}
	return out, nil
}

// float is a number in normal form.
func float(f float64) (any, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, fmt.Errorf("%w: the number is %v", ErrInvalid, f)
	}
	if f == math.Trunc(f) && f >= math.MinInt64 && f < math.MaxInt64 {
		return int64(f), nil
	}
	return f, nil
}

// unsigned is a whole number in normal form.
func unsigned(u uint64) any {
	if u <= math.MaxInt64 {
		return int64(u)
	}
	return float64(u)
}

// checkText refuses what JSON could not carry unchanged.
func checkText(s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("%w: text %.40q is not UTF-8", ErrInvalid, s)
	}
	return nil
}
