package msg

import (
	"fmt"
	"slices"

	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

// appendValue writes what normal makes of v, without making it. Depth is how deep v already is.
func appendValue(b []byte, v any, depth int) ([]byte, error) {
	if depth > MaxDepth {
		return b, tooDeep()
	}
	switch v := v.(type) {
	case nil:
		return append(b, msgpcode.Nil), nil
	case bool:
		return appendBool(b, v), nil
	case string:
		return appendText(b, v), checkText(v)
	case int64:
		return appendInt(b, v), nil
	case int:
		return appendInt(b, int64(v)), nil
	case float64:
		return appendFloat(b, v)
	case []any:
		return appendList(b, v, depth)
	case map[string]any:
		return appendMap(b, v, depth)
	case []string:
		return appendTexts(b, v, depth)
	}
	// The rarer types of numbers.
	n, err := normal(v, depth)
	if err != nil {
		return b, err
	}
	return appendValue(b, n, depth)
}

func appendFloat(b []byte, f float64) ([]byte, error) {
	n, whole, err := number(f)
	if err != nil {
		return b, err
	}
	if whole {
		return appendInt(b, n), nil
	}
	return appendDouble(b, f), nil
}

func appendList(b []byte, list []any, depth int) ([]byte, error) {
	b = appendListLen(b, len(list))
	var err error
	for i, e := range list {
		if b, err = appendValue(b, e, depth+1); err != nil {
			return b, fmt.Errorf("[%d]: %w", i, err)
		}
	}
	return b, nil
}

func appendTexts(b []byte, list []string, depth int) ([]byte, error) {
	if len(list) > 0 && depth >= MaxDepth {
		return b, tooDeep()
	}
	b = appendListLen(b, len(list))
	for i, s := range list {
		if err := checkText(s); err != nil {
			return b, fmt.Errorf("[%d]: %w", i, err)
		}
		b = appendText(b, s)
	}
	return b, nil
}

// appendMap writes a map in the order of its keys, so that equal maps give equal bytes.
func appendMap(b []byte, m map[string]any, depth int) ([]byte, error) {
	b = appendMapLen(b, len(m))
	var few [8]string // most maps need no more room for their keys
	keys := few[:0]
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		if err := checkText(k); err != nil {
			return b, err
		}
		var err error
		if b, err = appendValue(appendText(b, k), m[k], depth+1); err != nil {
			return b, fmt.Errorf("%q: %w", k, err)
		}
	}
	return b, nil
}
