package msg

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/vmihailenco/msgpack/v5"
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
	var b bytes.Buffer
	if e == JSON {
		b.WriteByte('[')
	} else if err := msgpack.NewEncoder(&b).EncodeArrayLen(len(list)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	for i, m := range list {
		one, err := e.Encode(m)
		if err != nil {
			return nil, fmt.Errorf("message %d: %w", i+1, err)
		}
		if e == JSON && i > 0 {
			b.WriteByte(',')
		}
		b.Write(one)
	}
	if e == JSON {
		b.WriteByte(']')
	}
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
	return listOf(len(raw), func(i int) (Msg, error) { return decodeJSON(raw[i]) })
}

func decodeListMsgpack(data []byte) ([]Msg, error) {
	if len(data) == 0 {
		return nil, nil
	}
	r := bytes.NewReader(data)
	dec := msgpack.NewDecoder(r)
	code, err := dec.PeekCode()
	if err != nil {
		return nil, broken(err)
	}
	if !msgpcode.IsFixedArray(code) && code != msgpcode.Array16 && code != msgpcode.Array32 {
		return nil, fmt.Errorf("%w: neither a message nor a list of messages", ErrMalformed)
	}
	n, err := dec.DecodeArrayLen()
	if err != nil {
		return nil, broken(err)
	}
	if n == 0 {
		return nil, nil
	}
	// A message is an array too, which begins with the number of its version; a list begins with an array.
	if code, err = dec.PeekCode(); err != nil {
		return nil, broken(err)
	}
	if !msgpcode.IsFixedArray(code) && code != msgpcode.Array16 && code != msgpcode.Array32 {
		m, err := decodeMsgpack(data)
		if err != nil {
			return nil, err
		}
		return []Msg{m}, nil
	}
	list, err := listOf(n, func(int) (Msg, error) { return readMsg(dec) })
	if err == nil && r.Len() > 0 {
		err = fmt.Errorf("%w: %d bytes follow the list", ErrMalformed, r.Len())
	}
	return list, err
}

// listOf reads n messages. What a count promises is paid for in bytes before it is held.
func listOf(n int, next func(i int) (Msg, error)) ([]Msg, error) {
	if n > MaxList {
		return nil, fmt.Errorf("%w: %d messages, the limit is %d", ErrTooLarge, n, MaxList)
	}
	var list []Msg
	for i := range n {
		m, err := next(i)
		if err != nil {
			return nil, fmt.Errorf("message %d: %w", i+1, err)
		}
		list = append(list, m)
	}
	return list, nil
}
