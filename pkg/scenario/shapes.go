package scenario

import "reflect"

// Patterns of the JSON Schema. They say what the parser checks, in the dialect editors understand.
const (
	schemaRatio    = `^[+-]?[0-9]+ ?/ ?[0-9]+$`
	schemaDuration = `^([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$`
)

func text(r rules) shape {
	s := shape{"type": "string", "minLength": 1}
	if len(r.enum) > 0 {
		s["enum"] = r.enum
	}
	return s
}

// scalars is anything that reads as an expression or a constant.
func scalars() shape { return shape{"type": []string{"number", "string", "boolean"}} }

func bounded(s shape, r rules) shape {
	if r.min != nil {
		s["minimum"] = *r.min
	}
	if r.max != nil {
		s["maximum"] = *r.max
	}
	return s
}

func (w *word) shape(r rules) shape { return text(r) }

func (t *prose) shape(r rules) shape { return text(r) }

func (q *number) shape(r rules) shape {
	return shape{"anyOf": []shape{bounded(shape{"type": "number"}, r), {"type": "string", "pattern": schemaRatio}}}
}

func (w *whole) shape(r rules) shape { return bounded(shape{"type": "integer"}, r) }

func (t *toggle) shape(rules) shape { return shape{"type": "boolean"} }

func (s *source) shape(rules) shape { return scalars() }

func (c *constant) shape(rules) shape { return scalars() }

func (s *span) shape(rules) shape { return shape{"type": "string", "pattern": schemaDuration} }

func (l *list[T]) shape(r rules) shape {
	items := shapeOf(reflect.TypeFor[T](), rules{enum: r.enum})
	return shape{"type": "array", "minItems": 1, "items": items}
}

func (t *table[T]) shape(r rules) shape {
	names := shape{"pattern": labelPattern.String()}
	if r.name {
		names = shape{"pattern": namePattern.String(), "not": shape{"enum": reserved}}
	}
	s := shape{"type": "object", "additionalProperties": shapeOf(reflect.TypeFor[T](), rules{}), "propertyNames": names}
	if r.required {
		s["minProperties"] = 1
	}
	return s
}

func (g *grouping) shape(rules) shape {
	bySize := structShape(reflect.TypeFor[groupSizeDoc]())
	return shape{"anyOf": []shape{{"type": "string", "pattern": `^(block|persona\..+)$`}, bySize}}
}

func (l *deadline) shape(rules) shape {
	return shape{"anyOf": []shape{{"const": "none"}, {"type": "string", "pattern": schemaDuration}}}
}

func (m *remembered) shape(rules) shape {
	return shape{"anyOf": []shape{{"enum": []string{"all", "none"}}, {"type": "integer", "minimum": 0}}}
}

func (f *fallback) shape(rules) shape {
	value := structShape(reflect.TypeFor[fallbackValueDoc]())
	return shape{"anyOf": []shape{{"enum": []string{"exclude", "previous"}}, value}}
}

func (s *jsonSchema) shape(rules) shape { return shape{"type": "object"} }
