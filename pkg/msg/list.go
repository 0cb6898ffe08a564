package msg

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

// MaxList is how many messages one payload may hold.
const MaxList = 4096

// EncodeList writes the messages of one request. One message is written as Encode writes it, and none as no bytes at all,
// so that a request without a message needs no payload; more are an array of messages. Errors are those of Encode, and
// ErrTooLarge for more than MaxList messages.
func (e Encoding) EncodeList(list []Msg) ([]byte, error) {
	switch n := len(list); {
	case n == 0:
		return nil, nil
	case n == 1:
		return e.Encode(list[0])
	case n > MaxList:
		return nil, fmt.Errorf("%w: %d messages, the limit is %d", ErrTooLarge, n, MaxList)
	}
	if e == JSON {
		return encodeListJSON(list)
	}
	data, err := packed(func(b []byte) ([]byte, error) {
		b = appendListLen(b, len(list))
		var err error
		for i := range list {
			if b, err = appendMsg(b, &list[i]); err != nil {
				return b, fmt.Errorf("message %d: %w", i+1, err)
			}
		}
		return b, nil
	})
	if err != nil {
		return nil, err
	}
	return data, checkSize(len(data))
}

func encodeListJSON(list []Msg) ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('[')
	for i, m := range list {
		one, err := JSON.Encode(m)
		if err != nil {
			return nil, fmt.Errorf("message %d: %w", i+1, err)
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(one)
	}
	b.WriteByte(']')
	return b.Bytes(), checkSize(b.Len())
}

// DecodeList reads the messages of one request: none, one, or an array of them. Errors are those of Decode.
func (e Encoding) DecodeList(data []byte) ([]Msg, error) {
	if err := checkSize(len(data)); err != nil {
		return nil, err
	}
	if e == JSON {
		return decodeListJSON(data)
	}
	return decodeListMsgpack(data)
}

func decodeListJSON(data []byte) ([]Msg, error) {
	data = bytes.TrimSpace(data)
	if len(data) == 0 {
		return nil, nil
	}
	if data[0] != '[' {
		m, err := decodeJSON(data)
		if err != nil {
			return nil, err
		}
		return []Msg{m}, nil
	}
	var raw []json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return listOf(len(raw), len(raw), func(i int) (Msg, error) { return decodeJSON(raw[i]) })
}

func decodeListMsgpack(data []byte) ([]Msg, error) {
	if len(data) == 0 {
		return nil, nil
	}
	c := cursor{data: data}
	list, err := c.head()
	if err != nil {
		return nil, err
	}
	if list.kind != kindList {
		return nil, fmt.Errorf("%w: neither a message nor a list of messages", ErrMalformed)
	}
	if list.n == 0 {
		return nil, nil
	}
	if c.at == len(data) {
		return nil, cut()
	}
	// A message is an array too, which begins with the number of its version; a list begins with an array.
	if first := data[c.at]; !msgpcode.IsFixedArray(first) && first != msgpcode.Array16 && first != msgpcode.Array32 {
		m, err := decodeMsgpack(data)
		if err != nil {
			return nil, err
		}
		return []Msg{m}, nil
	}
	out, err := listOf(list.count(), len(data)/(1+fieldCount), func(int) (Msg, error) { return c.message() })
	if err == nil {
		err = c.end()
	}
	return out, err
}

// listOf reads n messages, of which the input can hold so many as are paid for in bytes.
func listOf(n, paid int, next func(i int) (Msg, error)) ([]Msg, error) {
	if n > MaxList {
		return nil, fmt.Errorf("%w: %d messages, the limit is %d", ErrTooLarge, n, MaxList)
	}
	list := make([]Msg, 0, min(n, paid))
	for i := range n {
		m, err := next(i)
		if err != nil {
			return nil, fmt.Errorf("message %d: %w", i+1, err)
		}
		list = append(list, m)
	}
	return list, nil
}
