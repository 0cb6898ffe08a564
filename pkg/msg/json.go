package msg

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
	"unicode/utf8"
)

// jsonMsg is the JSON form of a message in normal form.
type jsonMsg struct {
	V           int            `json:"v"`
	ID          string         `json:"id,omitempty"`
	Name        string         `json:"name,omitempty"`
	Role        Role           `json:"role,omitempty"`
	Content     any            `json:"content,omitempty"`
	URLs        []string       `json:"urls,omitempty"`
	Metadata    map[string]any `json:"metadata,omitempty"`
	Timestamp   time.Time      `json:"timestamp,omitzero"`
	Placeholder *jsonPromise   `json:"placeholder,omitempty"`
}

type jsonPromise struct {
	Run      string    `json:"run"`
	Producer string    `json:"producer"`
	ID       string    `json:"id"`
	Expires  time.Time `json:"expires,omitzero"`
}

func encodeJSON(m Msg) ([]byte, error) {
	j := jsonMsg{
		V: Version, ID: m.ID, Name: m.Name, Role: m.Role, Content: m.Content.value,
		URLs: m.URLs, Metadata: m.Metadata, Timestamp: m.Time,
	}
	if m.Placeholder != nil {
		j.Placeholder = (*jsonPromise)(m.Placeholder)
	}
	data, err := writeJSON(j)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return data, nil
}

// decodeJSON reads a message. A person who types one need not know the version: without one it is the first.
func decodeJSON(data []byte) (Msg, error) {
	v, err := readJSON(data, 0)
	if err != nil {
		return Msg{}, err
	}
	object, ok := v.(map[string]any)
	if !ok {
		return Msg{}, fmt.Errorf("%w: a %s instead of an object", ErrMalformed, typeName(v))
	}
	var raw [fieldCount]any
	for i, name := range fieldNames {
		raw[i] = object[name]
	}
	if raw[fieldVersion] == nil {
		raw[fieldVersion] = int64(1)
	}
	return messageOf(raw)
}

// readJSON reads exactly one value, in normal form. Depth is the depth at which it stands: 0 for a message, whose fields
// are at depth 1.
func readJSON(data []byte, depth int) (any, error) {
	if !utf8.Valid(data) {
		return nil, fmt.Errorf("%w: not UTF-8", ErrMalformed)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	v, err := readValue(dec, depth)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: something follows the JSON value", ErrMalformed)
	}
	return v, nil
}

// readValue reads the next value. It goes token by token because only so the depth is ours to limit and a name that
// comes twice is seen.
func readValue(dec *json.Decoder, depth int) (any, error) {
	if depth > MaxDepth {
		return nil, fmt.Errorf("%w: the limit is %d", ErrTooDeep, MaxDepth)
	}
	token, err := dec.Token()
	if err != nil {
		return nil, fmt.Errorf("%w: JSON: %w", ErrMalformed, err)
	}
	switch token := token.(type) {
	case json.Number:
		return readNumber(token.String())
	case json.Delim:
		if token == '[' {
			return readList(dec, depth)
		}
		return readObject(dec, depth)
	default:
		return token, nil
	}
}

func readList(dec *json.Decoder, depth int) (any, error) {
	list := []any{}
	for dec.More() {
		v, err := readValue(dec, depth+1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, closeDelim(dec)
}

func readObject(dec *json.Decoder, depth int) (any, error) {
	object := map[string]any{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("%w: JSON: %w", ErrMalformed, err)
		}
		name, ok := token.(string)
		if !ok {
			return nil, fmt.Errorf("%w: JSON: %v instead of a name", ErrMalformed, token)
		}
		if _, twice := object[name]; twice {
			return nil, fmt.Errorf("%w: %.40q comes twice", ErrMalformed, name)
		}
		if object[name], err = readValue(dec, depth+1); err != nil {
			return nil, err
		}
	}
	return object, closeDelim(dec)
}

// closeDelim reads the bracket that ends a list or an object.
func closeDelim(dec *json.Decoder) error {
	if _, err := dec.Token(); err != nil {
		return fmt.Errorf("%w: JSON: %w", ErrMalformed, err)
	}
	return nil
}

func readNumber(text string) (any, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return float(f)
}
