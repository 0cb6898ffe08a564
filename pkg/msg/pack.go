package msg

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

var packForm = form{
	time: func(v any) (time.Time, error) {
		n, ok := v.(int64)
		if !ok {
			return time.Time{}, fmt.Errorf("%w: a %s instead of nanoseconds", ErrMalformed, typeName(v))
		}
		return time.Unix(0, n).UTC(), nil
	},
	promise: func(v any) (raw [promiseCount]any, err error) {
		list, ok := v.([]any)
		if !ok || len(list) < promiseCount {
			return raw, fmt.Errorf("%w: a placeholder has %d fields", ErrMalformed, promiseCount)
		}
		copy(raw[:], list)
		return raw, nil
	},
}

// encodeMsgpack writes a message in normal form.
func encodeMsgpack(m Msg) ([]byte, error) {
	urls := make([]any, len(m.URLs))
	for i := range m.URLs {
		urls[i] = m.URLs[i]
	}
	metadata := m.Metadata
	if metadata == nil {
		metadata = map[string]any{}
	}
	var promise any
	if p := m.Placeholder; p != nil {
		promise = []any{p.Run, p.Producer, p.ID, nanoseconds(p.Expires)}
	}
	var b bytes.Buffer
	err := pack(msgpack.NewEncoder(&b), []any{
		int64(Version), m.ID, m.Name, string(m.Role), m.Content.value, urls, metadata, nanoseconds(m.Time), promise,
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return b.Bytes(), nil
}

func nanoseconds(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixNano()
}

// pack writes a value in normal form, maps in the order of their keys.
func pack(enc *msgpack.Encoder, v any) error {
	switch v := v.(type) {
	case int64:
		return enc.EncodeInt(v)
	case []any:
		if err := enc.EncodeArrayLen(len(v)); err != nil {
			return err
		}
		for _, e := range v {
			if err := pack(enc, e); err != nil {
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
			if err := pack(enc, v[k]); err != nil {
				return err
			}
		}
		return nil
	default:
		return enc.Encode(v)
	}
}

func decodeMsgpack(data []byte) (Msg, error) {
	r := bytes.NewReader(data)
	m, err := readMsg(msgpack.NewDecoder(r))
	if err != nil {
		return Msg{}, err
	}
	if r.Len() > 0 {
		return Msg{}, fmt.Errorf("%w: %d bytes follow the message", ErrMalformed, r.Len())
	}
	return m, nil
}

// readMsg reads the next message. The version comes first and decides whether the rest is looked at.
func readMsg(dec *msgpack.Decoder) (Msg, error) {
	n, err := dec.DecodeArrayLen()
	if err != nil {
		return Msg{}, broken(err)
	}
	if n < 1 {
		return Msg{}, fmt.Errorf("%w: no fields", ErrMalformed)
	}
	var raw [fieldCount]any
	if raw[fieldVersion], err = unpack(dec, 1); err != nil {
		return Msg{}, err
	}
	if err := checkVersion(raw[fieldVersion]); err != nil {
		return Msg{}, err
	}
	if n < fieldCount {
		return Msg{}, fmt.Errorf("%w: %d fields, version %d has %d", ErrMalformed, n, Version, fieldCount)
	}
	for i := fieldVersion + 1; i < n; i++ {
		if i >= fieldCount {
			err = skip(dec, 1)
		} else if i == fieldPlaceholder {
			raw[i], err = unpackPromise(dec)
		} else {
			raw[i], err = unpack(dec, 1)
		}
		if err != nil {
			return Msg{}, err
		}
	}
	return packForm.message(raw)
}

// unpackPromise reads the fields of a placeholder that this version knows and steps over the others.
func unpackPromise(dec *msgpack.Decoder) (any, error) {
	n, err := dec.DecodeArrayLen()
	if err != nil {
		return nil, broken(err)
	}
	if n < 0 {
		return nil, nil
	}
	fields := []any{}
	for i := range n {
		if i >= promiseCount {
			err = skip(dec, 2)
		} else {
			var v any
			v, err = unpack(dec, 2)
			fields = append(fields, v)
		}
		if err != nil {
			return nil, err
		}
	}
	return fields, nil
}

// unpack reads the next value in normal form. Lists grow as they are read: a length that the data does not hold up costs
// nothing.
func unpack(dec *msgpack.Decoder, depth int) (any, error) {
	if depth > MaxDepth {
		return nil, fmt.Errorf("%w: the limit is %d", ErrTooDeep, MaxDepth)
	}
	code, err := dec.PeekCode()
	if err != nil {
		return nil, broken(err)
	}
	switch {
	case isList(code):
		return unpackList(dec, depth)
	case isMap(code):
		return unpackMap(dec, depth)
	case msgpcode.IsBin(code) || msgpcode.IsExt(code):
		return nil, fmt.Errorf("%w: type code %#x has no place in a message", ErrMalformed, code)
	}
	v, err := dec.DecodeInterface()
	if err != nil {
		return nil, broken(err)
	}
	return normal(v, depth)
}

func unpackList(dec *msgpack.Decoder, depth int) (any, error) {
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
}

func unpackMap(dec *msgpack.Decoder, depth int) (any, error) {
	n, err := dec.DecodeMapLen()
	if err != nil {
		return nil, broken(err)
	}
	m := map[string]any{}
	for range n {
		key, err := unpackKey(dec)
		if err != nil {
			return nil, err
		}
		if _, twice := m[key]; twice {
			return nil, fmt.Errorf("%w: %.40q comes twice", ErrMalformed, key)
		}
		if m[key], err = unpack(dec, depth+1); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func unpackKey(dec *msgpack.Decoder) (string, error) {
	code, err := dec.PeekCode()
	if err != nil {
		return "", broken(err)
	}
	if !msgpcode.IsString(code) {
		return "", fmt.Errorf("%w: type code %#x instead of a name", ErrMalformed, code)
	}
	key, err := dec.DecodeString()
	if err != nil {
		return "", broken(err)
	}
	return key, checkText(key)
}

// skip steps over a value of any type, which a later version appended. The decoder's own Skip has no limit of depth.
func skip(dec *msgpack.Decoder, depth int) error {
	if depth > MaxDepth {
		return fmt.Errorf("%w: the limit is %d", ErrTooDeep, MaxDepth)
	}
	code, err := dec.PeekCode()
	if err != nil {
		return broken(err)
	}
	var n int
	switch {
	case isList(code):
		n, err = dec.DecodeArrayLen()
	case isMap(code):
		n, err = dec.DecodeMapLen()
		n *= 2
	default:
		err = dec.Skip()
	}
	if err != nil {
		return broken(err)
	}
	for range n {
		if err := skip(dec, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func isList(code byte) bool {
	return msgpcode.IsFixedArray(code) || code == msgpcode.Array16 || code == msgpcode.Array32
}

func isMap(code byte) bool {
	return msgpcode.IsFixedMap(code) || code == msgpcode.Map16 || code == msgpcode.Map32
}

// broken is the error of data that is not msgpack or ends early.
func broken(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%w: msgpack: %w", ErrMalformed, err)
}
