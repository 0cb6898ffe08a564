package msg_test

import (
	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"

	"github.com/myriad-sim/myriad/pkg/msg"
)

func libraryUnpack(dec *msgpack.Decoder, depth int) (any, error) {
	if depth > msg.MaxDepth {
		return nil, msg.ErrTooDeep
	}
	code, err := dec.PeekCode()
	if err != nil {
		return nil, malformed(err)
	}
	switch n, kind := libraryLen(dec, code); kind {
	case "list":
		list := []any{}
		for range n {
			v, err := libraryUnpack(dec, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case "map":
		m := map[string]any{}
		for range n {
			if code, err := dec.PeekCode(); err != nil || !msgpcode.IsString(code) {
				return nil, malformed(err)
			}
			k, err := libraryUnpack(dec, depth)
			if err != nil {
				return nil, err
			}
			if _, twice := m[k.(string)]; twice {
				return nil, malformed(nil)
			}
			if m[k.(string)], err = libraryUnpack(dec, depth+1); err != nil {
				return nil, err
			}
		}
		return m, nil
	case "cut":
		return nil, malformed(nil)
	}
	if msgpcode.IsBin(code) || msgpcode.IsExt(code) {
		return nil, malformed(nil)
	}
	v, err := dec.DecodeInterface()
	if err != nil {
		return nil, malformed(err)
	}
	c, err := msg.ContentOf(v)
	return c.Value(), err
}

// libraryLen reads the length of a list or a map; of anything else it reads nothing.
func libraryLen(dec *msgpack.Decoder, code byte) (n int, kind string) {
	var err error
	switch {
	case msgpcode.IsFixedArray(code), code == msgpcode.Array16, code == msgpcode.Array32:
		kind = "list"
		n, err = dec.DecodeArrayLen()
	case msgpcode.IsFixedMap(code), code == msgpcode.Map16, code == msgpcode.Map32:
		kind = "map"
		n, err = dec.DecodeMapLen()
	}
	if err != nil {
		kind = "cut"
	}
	return n, kind
}

func librarySkip(dec *msgpack.Decoder, depth int) error {
	if depth > msg.MaxDepth {
		return msg.ErrTooDeep
	}
	code, err := dec.PeekCode()
	if err != nil {
		return malformed(err)
	}
	n, kind := libraryLen(dec, code)
	switch kind {
	case "":
		if err := dec.Skip(); err != nil {
			return malformed(err)
		}
	case "map":
		n *= 2
	case "cut":
		return malformed(nil)
	}
	for range n {
		if err := librarySkip(dec, depth+1); err != nil {
			return err
		}
	}
	return nil
}
