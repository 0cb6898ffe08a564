package reading

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Schema is a compiled JSON Schema. It is safe for concurrent use; compile it once and share it between Readers.
type Schema struct{ compiled *jsonschema.Schema }

// CompileSchema compiles a JSON Schema (draft 2020-12 unless it says otherwise). References to other documents are
// refused: reading an answer never opens a file or a connection. The error wraps ErrSpec.
func CompileSchema(source []byte) (*Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(source)))
	if err != nil {
		return nil, fmt.Errorf("%w: schema: %w", ErrSpec, err)
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(jsonschema.SchemeURLLoader{})
	const name = "mem:answer"
	if err := c.AddResource(name, doc); err != nil {
		return nil, fmt.Errorf("%w: schema: %w", ErrSpec, err)
	}
	compiled, err := c.Compile(name)
	if err != nil {
		return nil, fmt.Errorf("%w: schema: %w", ErrSpec, err)
	}
	return &Schema{compiled: compiled}, nil
}

// document reads a reply whose answer is a JSON document: the reply itself, or the one object or fenced document in it.
func (r *Reader) document(body string) (Reading, error) {
	if inside := strings.TrimSpace(unfence(strings.TrimSpace(body))); !strings.HasPrefix(inside, "{") {
		if v, err := decodeJSON(inside); err == nil {
			if _, err := scanObject(inside, 0); inside[0] == '[' && err != nil { // a key twice
				return Reading{}, err
			}
			return r.conforming(v, false)
		}
	}
	body = strings.ReplaceAll(body, string(place), "")
	list, err := findObjects(body)
	switch {
	case err != nil:
		return Reading{}, err
	case len(list) > 1:
		return Reading{}, fmt.Errorf("%w: %d JSON objects", ErrManyValues, len(list))
	case len(list) == 0:
		normal, err := normalise(body)
		if err == nil && refuses(normal) {
			return Reading{}, ErrRefusal
		}
		return Reading{}, fmt.Errorf("%w: there is no JSON object", ErrNoValue)
	}
	f := list[0]
	if f.cut && !f.clean {
		return Reading{}, fmt.Errorf("%w: the JSON object is not closed", ErrTruncated)
	}
	if err := r.undisputed(body, f); err != nil {
		return Reading{}, err
	}
	v, err := decodeJSON(f.json)
	if err != nil {
		return Reading{}, err
	}
	return r.conforming(v, f.repair || f.cut)
}

// undisputed checks that the prose around the one object lets it be the answer.
func (r *Reader) undisputed(body string, f found) error {
	normal, err := normalise(body[:f.from] + " " + string(place) + " " + body[f.to:])
	if err != nil {
		return err
	}
	ws := split(normal)
	for i, w := range ws {
		if w.core == string(place) {
			if turning(ws[i+1:], false) || !r.announced(ws, i) {
				return ErrAmbiguous
			}
			return nil
		}
	}
	return ErrAmbiguous
}

// conforming validates a decoded document and writes it compactly, keys in order.
func (r *Reader) conforming(v any, wasRepaired bool) (Reading, error) {
	if r.spec.Schema != nil {
		if err := r.spec.Schema.compiled.Validate(v); err != nil {
			return Reading{}, fmt.Errorf("%w: %s", ErrSchema, reason(err))
		}
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return Reading{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return Reading{Text: strings.TrimSuffix(b.String(), "\n"), Repaired: wasRepaired}, nil
}

// reason is the first cause of a failed validation, in one line.
func reason(err error) string {
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return err.Error()
	}
	for len(invalid.Causes) > 0 {
		invalid = invalid.Causes[0]
	}
	lines := strings.Split(strings.TrimSpace(invalid.Error()), "\n")
	return strings.TrimPrefix(lines[len(lines)-1], "- ")
}

// unfence returns the content of a reply that is nothing but one code fence.
func unfence(body string) string {
	inside, ok := strings.CutPrefix(body, "```")
	if !ok {
		return body
	}
	inside, ok = strings.CutSuffix(inside, "```")
	if !ok || strings.Contains(inside, "```") {
		return body
	}
	if _, rest, found := strings.Cut(inside, "\n"); found {
		return rest
	}
	return inside
}

// text reads a free answer: all that the reply says, or the answer's key if the reply is nothing but an object.
func (r *Reader) text(body string) (Reading, error) {
	if v, err := decodeJSON(unfence(body)); err == nil {
		if members, ok := v.(map[string]any); ok {
			list, err := findObjects(body)
			if err == nil && len(list) == 1 && len(members) > 0 {
				if got, _, err := r.keyed(list[0]); err == nil {
					return got, nil
				}
			}
		}
	}
	return Reading{Text: body}, nil
}
