package msg

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Kind is what a Content holds.
type Kind uint8

// Kinds of content.
const (
	KindNone Kind = iota // nothing
	KindText             // a text
	KindData             // structured data
)

// Content is what a message says: nothing (the zero Content), a text, or structured data. It does not change.
type Content struct {
	value any // nil, a string, or a value in normal form
}

// Text is a content that is a text. It must be valid UTF-8 to travel.
func Text(text string) Content { return Content{text} }

// Data is a content that is structured data: v as encoding/json sees it, so structs work. What encodes as null is no
// content, and what encodes as a string is a text. The error is ErrInvalid or ErrTooDeep.
func Data(v any) (Content, error) {
	if plain(v, 1) {
		if c, err := ContentOf(v); err == nil {
			return c, nil
		} // else JSON says what is wrong with it
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return Content{}, fmt.Errorf("%w: data: %w", ErrInvalid, err)
	}
	value, err := readJSON(raw, 1)
	if err != nil {
		return Content{}, fmt.Errorf("data: %w", err)
	}
	return Content{value}, nil
}

// ContentOf is Data for a value of Go's plain types, those that [Msg].Metadata may have, without the detour through JSON. It
// copies lists and maps. Of nil it makes no content, and of a string a text. The error is ErrInvalid or ErrTooDeep.
func ContentOf(v any) (Content, error) {
	value, err := normal(v, 1)
	if err != nil {
		return Content{}, fmt.Errorf("data: %w", err)
	}
	return Content{value}, nil
}

// Value is what the content holds, in normal form: nil, a string, or a bool, int64, float64, []any or map[string]any with
// values in normal form, nil among them. Lists and maps are the content's own: the caller must not change them.
func (c Content) Value() any { return c.value }

// Kind is what the content holds.
func (c Content) Kind() Kind {
	switch c.value.(type) {
	case nil:
		return KindNone
	case string:
		return KindText
	default:
		return KindData
	}
}

// String is the text, or the data as JSON, or "" for nothing: what a model or a person reads.
func (c Content) String() string {
	switch v := c.value.(type) {
	case nil:
		return ""
	case string:
		return v
	default:
		raw, err := writeJSON(v)
		if err != nil {
			return "" // cannot be: values in normal form have a JSON form
		}
		return string(raw)
	}
}

// Decode stores the content in what into points to, as json.Unmarshal does: data in a struct, a map or a number, a text
// in a string. The error is ErrInvalid if the content does not fit.
func (c Content) Decode(into any) error {
	raw, err := writeJSON(c.value)
	if err == nil {
		err = json.Unmarshal(raw, into)
	}
	if err != nil {
		return fmt.Errorf("%w: content: %w", ErrInvalid, err)
	}
	return nil
}

// writeJSON is json.Marshal without escapes for HTML, which people would have to read.
func writeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
