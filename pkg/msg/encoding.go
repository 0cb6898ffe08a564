package msg

import (
	"fmt"
	"mime"

	"github.com/vmihailenco/msgpack/v5"
)

// Encoding is a form in which messages travel.
type Encoding uint8

// Encodings.
const (
	Msgpack Encoding = iota // the default, between programs
	JSON                    // for people
)

// Content types, as they stand in a Content-Type header.
const (
	ContentMsgpack = "application/msgpack"
	ContentJSON    = "application/json"
)

// EncodingOf is the encoding that a Content-Type header asks for; without one ("") it is Msgpack. Parameters such as a
// charset do not matter. The error is ErrContentType.
func EncodingOf(contentType string) (Encoding, error) {
	if contentType == "" {
		return Msgpack, nil
	}
	media, _, err := mime.ParseMediaType(contentType)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%w: %q: %w", ErrContentType, contentType, err)
	case media == ContentMsgpack:
		return Msgpack, nil
	case media == ContentJSON:
		return JSON, nil
	}
	return 0, fmt.Errorf("%w: %q; use %s or %s", ErrContentType, contentType, ContentMsgpack, ContentJSON)
}

// ContentType is the value of the Content-Type header that goes with the encoding.
func (e Encoding) ContentType() string {
	if e == JSON {
		return ContentJSON
	}
	return ContentMsgpack
}

// Encode writes a message. Equal messages give equal bytes. The error is ErrInvalid, ErrTooDeep or ErrTooLarge.
func (e Encoding) Encode(m Msg) ([]byte, error) {
	if e != JSON {
		return packed(func(b []byte) ([]byte, error) { return appendMsg(b, &m) })
	}
	m, err := m.normal()
	if err != nil {
		return nil, err
	}
	data, err := encodeJSON(m)
	if err != nil {
		return nil, err
	}
	return data, checkSize(len(data))
}

// Decode reads one message and nothing after it. The error is ErrMalformed, ErrVersion, ErrInvalid, ErrTooDeep or
// ErrTooLarge.
func (e Encoding) Decode(data []byte) (Msg, error) {
	if err := checkSize(len(data)); err != nil {
		return Msg{}, err
	}
	if e == JSON {
		return decodeJSON(data)
	}
	return decodeMsgpack(data)
}

func checkSize(bytes int) error {
	if bytes > MaxSize {
		return fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, bytes, MaxSize)
	}
	return nil
}

// The methods below let a Msg be part of a larger value that encoding/json or msgpack encodes.

// MarshalJSON implements json.Marshaler.
func (m Msg) MarshalJSON() ([]byte, error) { return JSON.Encode(m) }

// UnmarshalJSON implements json.Unmarshaler.
func (m *Msg) UnmarshalJSON(data []byte) (err error) {
	*m, err = JSON.Decode(data)
	return err
}

// EncodeMsgpack implements msgpack.CustomEncoder.
func (m Msg) EncodeMsgpack(enc *msgpack.Encoder) error {
	buffer := scratch.Get().(*[]byte)
	b, err := appendMsg((*buffer)[:0], &m)
	if err == nil {
		_, err = enc.Writer().Write(b)
	}
	putScratch(buffer, b)
	return err
}

// DecodeMsgpack implements msgpack.CustomDecoder. The size of the message is for the caller to limit.
func (m *Msg) DecodeMsgpack(dec *msgpack.Decoder) (err error) {
	buffer := scratch.Get().(*[]byte)
	c := cursor{data: (*buffer)[:0], more: dec.Buffered()}
	*m, err = c.message()
	putScratch(buffer, c.data)
	return err
}
