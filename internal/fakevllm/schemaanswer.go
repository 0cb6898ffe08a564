package fakevllm

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// append writes a value that the schema allows.
func (s *schema) append(b []byte, q question, d *dice) []byte {
	switch {
	case s.Const != nil:
		return append(b, s.Const...)
	case s.Enum != nil:
		return append(b, s.Enum[d.intN(len(s.Enum))]...)
	case s.AnyOf != nil:
		return s.AnyOf[d.intN(len(s.AnyOf))].append(b, q, d)
	case s.OneOf != nil:
		return s.OneOf[d.intN(len(s.OneOf))].append(b, q, d)
	}
	kind := "object"
	switch {
	case len(s.Type) > 0:
		kind = s.Type[d.intN(len(s.Type))]
	case s.Properties == nil && s.Items != nil:
		kind = "array"
	case s.Properties == nil:
		kind = "string"
	}
	switch kind {
	case "object":
		return s.appendObject(b, q, d)
	case "array":
		return s.appendArray(b, q, d)
	case "integer", "number":
		low, high := s.bounds(q)
		decimals := q.decimals
		if kind == "integer" {
			low, high, decimals = math.Ceil(low), math.Floor(high), 0
		} else if decimals == 0 && high-low <= 10 {
			decimals = 2
		}
		return strconv.AppendFloat(b, d.number(low, high, decimals), 'f', -1, 64)
	case "boolean":
		return strconv.AppendBool(b, d.intN(2) == 0)
	case "null":
		return append(b, "null"...)
	}
	return appendString(b, s.word(q, d))
}

func (s *schema) appendObject(b []byte, q question, d *dice) []byte {
	b = append(b, '{')
	first := true
	for _, p := range s.Properties {
		if !slices.Contains(s.Required, p.name) && d.intN(4) == 0 {
			continue // what is not required is left out now and then
		}
		if !first {
			b = append(b, ", "...)
		}
		first = false
		b = append(appendString(b, []byte(p.name)), ": "...)
		b = p.schema.append(b, q, d)
	}
	return append(b, '}')
}

func (s *schema) appendArray(b []byte, q question, d *dice) []byte {
	most := max(s.MinItems, maxItemsOwn)
	if s.MaxItems != nil {
		most = min(most, *s.MaxItems)
	}
	item := s.Items
	if item == nil {
		item = &schema{Type: types{"string"}}
	}
	b = append(b, '[')
	for i := range s.MinItems + d.intN(most-s.MinItems+1) {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = item.append(b, q, d)
	}
	return append(b, ']')
}

// word is a string of the right length: a choice of the question if it has any, or a remark.
func (s *schema) word(q question, d *dice) []byte {
	if s.pattern != nil {
		return appendMatch(nil, s.pattern, d)
	}
	w := appendValue(nil, question{choices: q.choices}, d)
	if short := s.MinLength - len(w); short > 0 {
		w = append(w, strings.Repeat(".", short)...)
	}
	if s.MaxLength != nil {
		w = cutText(w, *s.MaxLength)
	}
	return w
}
