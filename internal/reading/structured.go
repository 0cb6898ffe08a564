package reading

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// Ways to hold a server to the form of an answer, spelled as in a scenario file.
const (
	StructuredResponseFormat = "response_format"    // OpenAI's, with a JSON Schema
	StructuredOutputs        = "structured_outputs" // vLLM's
)

// SchemaFor gives the JSON Schema of replies to a question, which Rule reads: an object with the question's id as its only
// key, or for a json question source, its own schema; Spec.Schema is not looked at. It is nil where replies are free: for
// text, code and tagged, and json without a schema. Equal questions give equal bytes. The error wraps ErrSpec.
func SchemaFor(s Spec, source []byte) ([]byte, error) {
	r, err := New(s)
	if err != nil {
		return nil, err
	}
	var value []byte
	switch s.Type {
	case TypeNumber:
		value = r.numberSchema()
	case TypeLikert:
		value = fmt.Appendf(nil, `{"type":"integer","minimum":1,"maximum":%d}`, s.Points)
	case TypeChoice:
		value = append(append([]byte(`{"type":"string","enum":`), quoted(s.Choices)...), '}')
	case TypeJSON:
		return compact(source)
	default:
		return nil, nil
	}
	key := quoted(r.wanted())
	return fmt.Appendf(nil, `{"type":"object","properties":{%s:%s},"required":[%s],"additionalProperties":false}`, key, value, key), nil
}

// StructuredFor gives what a request says to hold the server to SchemaFor, in the way mode names, as JSON values for the
// request's keys of these names. Both are nil where replies are free, or mode is neither of the two. A choice in
// structured_outputs is the bare choice. The error wraps ErrSpec.
func StructuredFor(mode string, s Spec, source []byte) (responseFormat, structuredOutputs []byte, err error) {
	if mode != StructuredResponseFormat && mode != StructuredOutputs {
		return nil, nil, nil
	}
	schema, err := SchemaFor(s, source)
	switch {
	case err != nil || schema == nil:
		return nil, nil, err
	case mode == StructuredResponseFormat:
		return fmt.Appendf(nil, `{"type":"json_schema","json_schema":{"name":%s,"schema":%s,"strict":true}}`, quoted((&Reader{spec: s}).wanted()), schema), nil, nil
	case s.Type == TypeChoice:
		return nil, fmt.Appendf(nil, `{"choice":%s}`, quoted(s.Choices)), nil
	}
	return nil, fmt.Appendf(nil, `{"json":%s}`, schema), nil
}

// numberSchema is the schema of a number. Its bounds are those that can be recorded, so that rounding never leaves them.
func (r *Reader) numberSchema() []byte {
	kind := "number"
	if r.spec.Decimals == 0 {
		kind = "integer"
	}
	b := append([]byte(`{"type":"`), kind...)
	b = append(b, '"')
	b = bound(b, "minimum", r.lo)
	b = bound(b, "maximum", r.hi)
	return append(b, '}')
}

func bound(b []byte, key string, v float64) []byte {
	if math.IsInf(v, 0) {
		return b
	}
	b = append(append(append(b, `,"`...), key...), `":`...)
	return strconv.AppendFloat(b, v, 'f', -1, 64)
}

// quoted is a text or a list of texts as JSON. Both always encode.
func quoted(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// compact is a JSON Schema without white space, nil for none.
func compact(source []byte) ([]byte, error) {
	if len(source) == 0 {
		return nil, nil
	}
	var b bytes.Buffer
	if err := json.Compact(&b, source); err != nil {
		return nil, fmt.Errorf("%w: schema: %w", ErrSpec, err)
	}
	return b.Bytes(), nil
}
