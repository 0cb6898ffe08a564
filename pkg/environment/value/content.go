package value

import (
	"bytes"
	"fmt"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/myriad-sim/myriad/pkg/msg"
)

// A content keeps its data to itself and gives it away as JSON, which takes several times as long as what a call does
// otherwise. So a value goes in and out of it in the other form that messages have: a msgpack array with the content after
// these fields.
const (
	textsBefore = 3 // id, name, role; before them the version
	fields      = 9
)

// Of is the value that a message's content holds.
func Of(c msg.Content) (any, error) {
	switch c.Kind() {
	case msg.KindNone:
		return nil, nil
	case msg.KindText:
		return c.String(), nil
	}
	data, err := msg.Msgpack.Encode(msg.Msg{Content: c})
	if err != nil {
		return nil, err
	}
	dec := msgpack.GetDecoder()
	defer msgpack.PutDecoder(dec)
	dec.Reset(bytes.NewReader(data))
	if _, err := dec.DecodeArrayLen(); err != nil {
		return nil, broken(err)
	}
	if _, err := dec.DecodeInt64(); err != nil {
		return nil, broken(err)
	}
	for range textsBefore {
		if _, err := dec.DecodeString(); err != nil {
			return nil, broken(err)
		}
	}
	return Unpack(dec)
}

// Content is the content of a message that holds a value in normal form.
func Content(v any) (msg.Content, error) {
	switch v := v.(type) {
	case nil:
		return msg.Content{}, nil
	case string:
		return msg.Text(v), nil
	}
	var b bytes.Buffer
	enc := msgpack.GetEncoder()
	defer msgpack.PutEncoder(enc)
	enc.Reset(&b)
	err := enc.EncodeArrayLen(fields)
	if err == nil {
		err = enc.EncodeMulti(int64(msg.Version), "", "", "")
	}
	if err == nil {
		err = Pack(enc, v)
	}
	if err == nil {
		err = enc.EncodeMulti(nil, nil, nil, nil) // urls, metadata, timestamp, placeholder
	}
	if err != nil {
		return msg.Content{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	m, err := msg.Msgpack.Decode(b.Bytes())
	return m.Content, err
}
