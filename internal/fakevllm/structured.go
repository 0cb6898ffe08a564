package fakevllm

import (
	"bytes"
	"encoding/json"
	"regexp/syntax"
)

// shape is what an answer must look like; the zero value is free text.
type shape struct {
	kind    shapeKind
	schema  *schema
	choices []string
	pattern *syntax.Regexp
}

type shapeKind uint8

const (
	freeText shapeKind = iota
	anyObject
	bySchema
	byChoice
	byPattern
)

// readShape reads response_format and structured_outputs. An error is a *refusal.
func readShape(format, structured []byte) (shape, error) {
	if structured != nil {
		return readStructured(structured)
	}
	if format == nil {
		return shape{}, nil
	}
	var f struct {
		Type   string `json:"type"`
		Schema *struct {
			Name   *string         `json:"name"`
			Schema json.RawMessage `json:"schema"`
		} `json:"json_schema"`
	}
	if err := json.Unmarshal(format, &f); err != nil {
		return shape{}, invalid("response_format", "model_type", "Input should be a valid response format")
	}
	switch f.Type {
	case "text":
		return shape{}, nil
	case "json_object":
		return shape{kind: anyObject}, nil
	case "json_schema":
		if f.Schema == nil {
			return shape{}, valueError("response_format",
				"When response_format type is 'json_schema', the 'json_schema' field must be provided.")
		}
		if f.Schema.Name == nil {
			return shape{}, invalid("response_format.json_schema.name", "missing", "Field required")
		}
		return schemaShape(f.Schema.Schema)
	}
	return shape{}, invalid("response_format.type", "literal_error", "Input should be 'text', 'json_object' or 'json_schema'")
}

func readStructured(raw []byte) (shape, error) {
	var s struct {
		JSON    json.RawMessage `json:"json"`
		Regex   *string         `json:"regex"`
		Choice  []string        `json:"choice"`
		Object  *bool           `json:"json_object"`
		Grammar *string         `json:"grammar"`
		Tag     *string         `json:"structural_tag"`
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return shape{}, invalid("structured_outputs", "dataclass_type", "Input should be valid structured outputs parameters")
	}
	given := 0
	isJSON := len(s.JSON) > 0 && string(s.JSON) != "null"
	for _, is := range []bool{isJSON, s.Regex != nil, s.Choice != nil, s.Object != nil, s.Grammar != nil, s.Tag != nil} {
		if is {
			given++
		}
	}
	switch {
	case given > 1:
		return shape{}, valueError("", "You can only use one kind of constraints for structured outputs ('json', 'regex' or 'choice').")
	case isJSON:
		return schemaShape(s.JSON)
	case s.Regex != nil:
		re, err := syntax.Parse(*s.Regex, syntax.Perl)
		if err != nil {
			return shape{}, badRequest("", "Failed to compile the regex: %v", err)
		}
		return shape{kind: byPattern, pattern: re.Simplify()}, nil
	case s.Choice != nil:
		if len(s.Choice) == 0 {
			return shape{}, badRequest("", "Choice '[]' cannot be an empty list")
		}
		return shape{kind: byChoice, choices: s.Choice}, nil
	case s.Object != nil && *s.Object:
		return shape{kind: anyObject}, nil
	case s.Grammar != nil || s.Tag != nil:
		return shape{}, badRequest("", "Grammars and structural tags are not supported.")
	}
	return shape{}, badRequest("", "You must use one kind of structured outputs constraint but none are specified")
}

// schemaShape takes a schema as an object or, as vLLM does, as a string that holds one.
func schemaShape(raw json.RawMessage) (shape, error) {
	if raw = bytes.TrimSpace(raw); len(raw) > 0 && raw[0] == '"' {
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return shape{}, badRequest("", "Invalid JSON grammar specification.")
		}
		raw = json.RawMessage(text)
	}
	s, err := parseSchema(raw)
	if err != nil {
		return shape{}, badRequest("", "Failed to convert the grammar: %s", err.Error())
	}
	return shape{kind: bySchema, schema: s}, nil
}

// append writes an answer of this shape.
func (s *shape) append(b []byte, q question, d *dice) []byte {
	switch s.kind {
	case anyObject:
		b = append(b, `{"answer": `...)
		if q.ranged {
			return append(appendValue(b, q, d), '}')
		}
		return append(appendString(b, appendValue(nil, q, d)), '}')
	case bySchema:
		return s.schema.append(b, q, d)
	case byChoice:
		return append(b, s.choices[d.intN(len(s.choices))]...)
	case byPattern:
		return appendMatch(b, s.pattern, d)
	case freeText:
	}
	return b
}

// appendMatch writes a text that a pattern matches. What may repeat without end repeats up to three times.
func appendMatch(b []byte, re *syntax.Regexp, d *dice) []byte {
	switch re.Op {
	case syntax.OpLiteral:
		return append(b, string(re.Rune)...)
	case syntax.OpCharClass:
		return append(b, string(pickRune(re.Rune, d))...)
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return append(b, byte('a'+d.intN(26)))
	case syntax.OpCapture, syntax.OpConcat:
		for _, sub := range re.Sub {
			b = appendMatch(b, sub, d)
		}
	case syntax.OpAlternate:
		return appendMatch(b, re.Sub[d.intN(len(re.Sub))], d)
	case syntax.OpQuest, syntax.OpStar, syntax.OpPlus:
		least, most := 0, 3
		if re.Op == syntax.OpPlus {
			least = 1
		}
		if re.Op == syntax.OpQuest {
			most = 1
		}
		for range least + d.intN(most-least+1) {
			b = appendMatch(b, re.Sub[0], d)
		}
	default: // anchors match without a character
	}
	return b
}

// pickRune takes a rune of a class, given as pairs of first and last; printable ASCII if the class has any.
func pickRune(class []rune, d *dice) rune {
	var ascii []rune
	for r := ' '; r <= '~'; r++ {
		for i := 0; i+1 < len(class); i += 2 {
			if r >= class[i] && r <= class[i+1] {
				ascii = append(ascii, r)
			}
		}
	}
	if len(ascii) > 0 {
		return ascii[d.intN(len(ascii))]
	}
	if len(class) == 0 {
		return 'a'
	}
	return class[0]
}
