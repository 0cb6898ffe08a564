package msg_test

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

	"github.com/myriad-sim/myriad/pkg/msg"
)

// The messages as the msgpack library writes and reads them, value by value and without haste: what the package's own encoder
// and decoder are held against.

// libraryEncode writes a message that may travel.
func libraryEncode(m msg.Msg) ([]byte, error) {
	metadata, err := msg.ContentOf(m.Metadata)
	if err != nil {
		return nil, err
	}
	urls := []any{}
	for _, u := range m.URLs {
		urls = append(urls, u)
	}
	var promise any
	if p := m.Placeholder; p != nil {
		promise = []any{p.Run, p.Producer, p.ID, nanoseconds(p.Expires)}
	}
	var b bytes.Buffer
	err = libraryPack(msgpack.NewEncoder(&b), []any{
		int64(1), m.ID, m.Name, string(m.Role), m.Content.Value(), urls, metadata.Value(), nanoseconds(m.Time), promise,
	})
	return b.Bytes(), err
}

func nanoseconds(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixNano()
}

func libraryPack(enc *msgpack.Encoder, v any) error {
	switch v := v.(type) {
	case int64:
		return enc.EncodeInt(v)
	case []any:
		err := enc.EncodeArrayLen(len(v))
		for i := 0; i < len(v) && err == nil; i++ {
			err = libraryPack(enc, v[i])
		}
		return err
	case map[string]any:
		err := enc.EncodeMapLen(len(v))
		for _, k := range slices.Sorted(maps.Keys(v)) {
			err = errors.Join(err, enc.EncodeString(k), libraryPack(enc, v[k]))
		}
		return err
	default:
		return enc.Encode(v)
	}
}

// libraryDecode reads one message; the bytes after it stay in r.
func libraryDecode(r *bytes.Reader) (msg.Msg, error) {
	dec := msgpack.NewDecoder(r)
	n, err := dec.DecodeArrayLen()
	if err != nil || n < 1 {
		return msg.Msg{}, malformed(err)
	}
	version, err := libraryUnpack(dec, 1)
	if err != nil {
		return msg.Msg{}, err
	}
	if v, ok := version.(int64); !ok {
		return msg.Msg{}, malformed(nil)
	} else if v != 1 {
		return msg.Msg{}, msg.ErrVersion
	}
	if n < 9 {
		return msg.Msg{}, malformed(nil)
	}
	raw := make([]any, 9)
	for i := 1; i < n; i++ {
		switch {
		case i > 8:
			err = librarySkip(dec, 1)
		case i == 8:
			raw[i], err = libraryPromise(dec)
		default:
			raw[i], err = libraryUnpack(dec, 1)
		}
		if err != nil {
			return msg.Msg{}, err
		}
	}
	return libraryMessage(raw)
}

// libraryDecodeList reads the messages of a request.
func libraryDecodeList(data []byte) (list []msg.Msg, err error) {
	if len(data) == 0 {
		return nil, nil
	}
	r := bytes.NewReader(data)
	dec := msgpack.NewDecoder(r)
	code, _ := dec.PeekCode()
	n, kind := libraryLen(dec, code)
	if kind != "list" {
		return nil, malformed(nil)
	}
	if n == 0 {
		return nil, nil
	}
	if code, err = dec.PeekCode(); err != nil {
		return nil, malformed(err)
	}
	if !msgpcode.IsFixedArray(code) && code != msgpcode.Array16 && code != msgpcode.Array32 {
		n = 1
		r.Reset(data)
	} else if n > msg.MaxList {
		return nil, msg.ErrTooLarge
	}
	for range n {
		m, err := libraryDecode(r)
		if err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	if r.Len() > 0 {
		return nil, malformed(nil)
	}
	return list, nil
}

func libraryMessage(raw []any) (m msg.Msg, err error) {
	var role string
	ok := give(&m.ID, raw[1]) && give(&m.Name, raw[2]) && give(&role, raw[3]) && giveTime(&m.Time, raw[7])
	m.Role = msg.Role(role)
	var urls []any
	ok = ok && give(&urls, raw[5]) && give(&m.Metadata, raw[6])
	for _, u := range urls {
		s, text := u.(string)
		ok = ok && text
		m.URLs = append(m.URLs, s)
	}
	if len(m.Metadata) == 0 {
		m.Metadata = nil
	}
	if p, there := raw[8].([]any); there {
		m.Placeholder = &msg.Placeholder{}
		ok = ok && len(p) >= 4 && give(&m.Placeholder.Run, p[0]) && give(&m.Placeholder.Producer, p[1]) &&
			give(&m.Placeholder.ID, p[2]) && giveTime(&m.Placeholder.Expires, p[3])
	}
	if !ok {
		return msg.Msg{}, malformed(nil)
	}
	if m.Content, err = msg.ContentOf(raw[4]); err != nil {
		return msg.Msg{}, err
	}
	_, err = msg.JSON.Encode(m) // says whether the message is allowed
	if errors.Is(err, msg.ErrTooLarge) {
		err = nil // in JSON
	}
	return m, err
}

func give[T any](to *T, v any) (ok bool) {
	if v != nil {
		*to, ok = v.(T)
		return ok
	}
	return true
}

func giveTime(to *time.Time, v any) bool {
	var n int64
	if !give(&n, v) {
		return false
	}
	if v != nil {
		*to = time.Unix(0, n).UTC()
	}
	return true
}

func libraryPromise(dec *msgpack.Decoder) (any, error) {
	n, err := dec.DecodeArrayLen()
	if err != nil {
		return nil, malformed(err)
	}
	if n < 0 {
		return nil, nil
	}
	fields := []any{}
	for i := range n {
		var v any
		if i < 4 {
			v, err = libraryUnpack(dec, 2)
		} else {
			err = librarySkip(dec, 2)
		}
		if err != nil {
			return nil, err
		}
		fields = append(fields, v)
	}
	return fields, nil
}

func malformed(err error) error {
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%w: %w", msg.ErrMalformed, err)
}
