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
		return nil, tooDeep()
	}
	switch t := v.(type) {
	case nil, bool, int64:
		return v, nil
	case string:
		return v, checkText(t)
	case int:
		return int64(t), nil
	case int8:
		return int64(t), nil
	case int16:
		return int64(t), nil
	case int32:
		return int64(t), nil
	case uint:
		return unsigned(uint64(t)), nil
	case uint8:
		return int64(t), nil
	case uint16:
		return int64(t), nil
	case uint32:
		return int64(t), nil
	case uint64:
		return unsigned(t), nil
	case float32:
		return float(float64(t))
	case float64:
		return float(t)
	case []string:
		list := make([]any, len(t))
		for i := range t {
			list[i] = t[i]
		}
		return normalList(list, depth)
	case []any:
		return normalList(t, depth)
	case map[string]any:
		return normalMap(t, depth)
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

// plain reports whether encoding/json would make of v what normal makes of it, if anything. A float32 for one has fewer
// digits in JSON, and a nil list is null.
func plain(v any, depth int) bool {
	if depth > MaxDepth {
		return false
	}
	switch v := v.(type) {
	case nil, bool, string, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64, float64:
		return true
	case []string:
		return v != nil
	case []any:
		for _, e := range v {
			if !plain(e, depth+1) {
				return false
			}
		}
		return v != nil
	case map[string]any:
		for _, e := range v {
			if !plain(e, depth+1) {
				return false
			}
		}
		return v != nil
	}
	return false
}

// float is a number in normal form.
func float(f float64) (any, error) {
	n, whole, err := number(f)
	if err == nil && whole {
		return n, nil
	}
	return f, err
}

// number reports whether a number is a whole one that fits, and which.
func number(f float64) (n int64, whole bool, err error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, false, fmt.Errorf("%w: the number is %v", ErrInvalid, f)
	}
	if f == math.Trunc(f) && f >= math.MinInt64 && f < math.MaxInt64 {
		return int64(f), true, nil
	}
	return 0, false, nil
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
