package scenario

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
)

// shape is one node of a JSON Schema.
type shape map[string]any

// Schema is the JSON Schema (draft 2020-12) of the scenario file, made from the declarations the parser reads. It
// checks the shape of a file; Load also checks what the parts mean to each other.
func Schema() []byte {
	s := shapeOf(reflect.TypeFor[document](), rules{})
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "Myriad scenario"
	s["description"] = "Who the agents are, what they are asked each round, how answers combine, and which models speak."
	out, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		// Shapes are maps of strings, numbers and lists: they always encode.
		return nil
	}
	return append(out, '\n')
}

// shapeOf describes a declared type.
func shapeOf(t reflect.Type, r rules) shape {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	s, ok := partShape(t, r)
	if !ok {
		s = structShape(t)
	}
	doc := r.doc
	switch {
	case r.notBuilt():
		doc = "Not yet supported. " + doc
	case len(r.later) > 0:
		doc += fmt.Sprintf(" Not yet supported: %s.", r.later[0])
	}
	if doc != "" {
		s["description"] = doc
	}
	if r.fill != "" {
		s["default"] = fillValue(r.fill)
	}
	return s
}

func partShape(t reflect.Type, r rules) (shape, bool) {
	p, ok := reflect.TypeAssert[part](reflect.New(t))
	if !ok {
		return nil, false
	}
	return p.shape(r), true
}

// fillValue is a default as JSON: a number where it is one.
func fillValue(fill string) any {
	if json.Valid([]byte(fill)) {
		return json.RawMessage(fill)
	}
	return fill
}

// structShape describes a mapping with declared keys.
func structShape(t reflect.Type) shape {
	declared := fieldsOf(t)
	properties := shape{}
	var required []string
	for _, f := range declared {
		properties[f.rules.key] = shapeOf(t.Field(f.index).Type, f.rules)
		if f.rules.required && len(f.rules.when) == 0 {
			required = append(required, f.rules.key)
		}
	}
	s := shape{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	if variants := variantShapes(declared); len(variants) > 0 {
		s["allOf"] = variants
	}
	return s
}

// variantShapes says for each value of the first key which other keys go with it.
func variantShapes(declared []docField) []shape {
	if !slices.ContainsFunc(declared, func(f docField) bool { return len(f.rules.when) > 0 }) {
		return nil
	}
	first := declared[0].rules
	var out []shape
	for _, variant := range first.enum {
		forbidden := shape{}
		required := []string{}
		for _, f := range declared {
			switch {
			case len(f.rules.when) == 0:
			case !slices.Contains(f.rules.when, variant):
				forbidden[f.rules.key] = false
			case f.rules.required:
				required = append(required, f.rules.key)
			}
		}
		out = append(out, shape{
			"if":   shape{"properties": shape{first.key: shape{"const": variant}}, "required": []string{first.key}},
			"then": shape{"properties": forbidden, "required": required},
		})
	}
	return out
}
