package value

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"

	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

// Pack writes a value in normal form as msgpack. Equal values give equal bytes.
func Pack(enc *msgpack.Encoder, v any) error {
	switch v := v.(type) {
	case int64:
		return enc.EncodeInt(v)
	case string:
		return enc.EncodeString(v)
	case []any:
		if err := enc.EncodeArrayLen(len(v)); err != nil {
			return err
		}
		for _, e := range v {
			if err := Pack(enc, e); err != nil {
				return err
			}
		}
		return nil
	case map[string]any:
		if err := enc.EncodeMapLen(len(v)); err != nil {
			return err
		}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if err := enc.EncodeString(k); err != nil {
				return err
			}
			if err := Pack(enc, v[k]); err != nil {
				return err
			}
		}
		return nil
	default:
		return enc.Encode(v)
	}
}

// Unpack reads the next value. It is made for hostile input: what a length promises is held only as it comes.
func Unpack(dec *msgpack.Decoder) (any, error) { return unpack(dec, 1) }

func unpack(dec *msgpack.Decoder, depth int) (any, error) {
	if depth > MaxDepth {
		return nil, fmt.Errorf("%w: nested deeper than %d", ErrInvalid, MaxDepth)
	}
	code, err := dec.PeekCode()
	if err != nil {
		return nil, broken(err)
	}
	switch {
	case msgpcode.IsFixedArray(code) || code == msgpcode.Array16 || code == msgpcode.Array32:
		n, err := dec.DecodeArrayLen()
		if err != nil {
			return nil, broken(err)
		}
		list := []any{}
		for range n {
			v, err := unpack(dec, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case msgpcode.IsFixedMap(code) || code == msgpcode.Map16 || code == msgpcode.Map32:
		return unpackMap(dec, depth)
	case msgpcode.IsBin(code) || msgpcode.IsExt(code):
		return nil, fmt.Errorf("%w: type code %#x", ErrInvalid, code)
	}
	v, err := dec.DecodeInterfaceLoose()
	if err != nil {
		return nil, broken(err)
	}
	if u, ok := v.(uint64); ok {
		if u > math.MaxInt64 {
			return float64(u), nil
		}
		return int64(u), nil
	}
	return normal(v, depth)
}

func unpackMap(dec *msgpack.Decoder, depth int) (any, error) {
	n, err := dec.DecodeMapLen()
	if err != nil {
		return nil, broken(err)
	}
	m := map[string]any{}
	for range n {
		k, err := dec.DecodeString()
		if err != nil {
			return nil, broken(err)
		}
		if _, twice := m[k]; twice {
			return nil, fmt.Errorf("%w: %.40q comes twice", ErrInvalid, k)
		}
		v, err := unpack(dec, depth+1)
		if err != nil {
			return nil, err
		}
		if _, err := normal(k, depth); err != nil {
			return nil, err
		}
		m[k] = v
	}
	return m, nil
}

// broken is the error of data that is not msgpack or ends early.
func broken(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%w: %w", ErrInvalid, err)
}
