package fakevllm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"regexp/syntax"
	"slices"
)

// schema is the part of JSON Schema that answers are made by. A keyword that is not here is an error, except those that
// only describe: an answer that breaks a rule would be worse than none.
type schema struct {
	Type       types                      `json:"type"`
	Enum       []json.RawMessage          `json:"enum"`
	Const      json.RawMessage            `json:"const"`
	Properties properties                 `json:"properties"`
	Required   []string                   `json:"required"`
	Items      *schema                    `json:"items"`
	MinItems   int                        `json:"minItems"`
	MaxItems   *int                       `json:"maxItems"`
	Minimum    *float64                   `json:"minimum"`
	Maximum    *float64                   `json:"maximum"`
	Above      *float64                   `json:"exclusiveMinimum"`
	Below      *float64                   `json:"exclusiveMaximum"`
	MinLength  int                        `json:"minLength"`
	MaxLength  *int                       `json:"maxLength"`
	Pattern    string                     `json:"pattern"`
	AnyOf      []*schema                  `json:"anyOf"`
	OneOf      []*schema                  `json:"oneOf"`
	Ref        string                     `json:"$ref"`
	Defs       map[string]json.RawMessage `json:"$defs"`

	Title       json.RawMessage `json:"title"`
	Description json.RawMessage `json:"description"`
	Default     json.RawMessage `json:"default"`
	Examples    json.RawMessage `json:"examples"`
	Version     json.RawMessage `json:"$schema"`
	ID          json.RawMessage `json:"$id"`
	More        json.RawMessage `json:"additionalProperties"` // answers never have any

	pattern *syntax.Regexp
}

// types is one type or several.
type types []string

func (t *types) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		*t = types{""}
		return json.Unmarshal(b, &(*t)[0])
	}
	return json.Unmarshal(b, (*[]string)(t))
}

// properties keep the order of the schema, in which answers give them.
type properties []property

type property struct {
	name   string
	schema *schema
}

func (p *properties) UnmarshalJSON(b []byte) error {
	c := cursor{b: b}
	return c.object(func(key []byte) error {
		name := string(key)
		raw, err := c.skip()
		if err != nil {
			return err
		}
		var s schema
		if err := strictly(raw, &s); err != nil {
			return err
		}
		*p = append(*p, property{name, &s})
		return nil
	})
}

func strictly(raw []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

const (
	maxSchemas  = 4096 // schemas in a schema, with references in place
	maxItemsOwn = 4    // items of a list that may have any number
)

// parseSchema reads and checks a schema. References to $defs are put in place.
func parseSchema(raw []byte) (*schema, error) {
	if len(bytes.TrimSpace(raw)) == 0 || bytes.TrimSpace(raw)[0] != '{' {
		return nil, errSchema("the schema is not an object")
	}
	var s schema
	if err := strictly(raw, &s); err != nil {
		return nil, err
	}
	defs := map[string]*schema{}
	for name, def := range s.Defs {
		var d schema
		if err := strictly(def, &d); err != nil {
			return nil, err
		}
		defs["#/$defs/"+name] = &d
	}
	return &s, (&settler{defs, maxSchemas}).settle(&s)
}

// settler puts references in place and checks what it comes by.
type settler struct {
	defs map[string]*schema
	left int // schemas that may still come
}

func (t *settler) settle(s *schema) error {
	if t.left--; t.left < 0 {
		return errSchema("the schema refers to itself or is too large")
	}
	if s.Ref != "" {
		def := t.defs[s.Ref]
		if def == nil {
			return errSchema("there is no %s", s.Ref)
		}
		copied := *def
		*s = copied
		s.Properties = slices.Clone(s.Properties)
		return t.settle(s)
	}
	for _, kind := range s.Type {
		if !slices.Contains([]string{"object", "array", "string", "number", "integer", "boolean", "null"}, kind) {
			return errSchema("unknown type %q", kind)
		}
	}
	for i := range s.Properties {
		own := *s.Properties[i].schema
		s.Properties[i].schema = &own
		if err := t.settle(&own); err != nil {
			return err
		}
	}
	for _, name := range s.Required {
		if !slices.ContainsFunc(s.Properties, func(p property) bool { return p.name == name }) {
			return errSchema("the required property %q is not among the properties", name)
		}
	}
	subs := slices.Concat(s.AnyOf, s.OneOf)
	if s.Items != nil {
		own := *s.Items
		s.Items = &own
		subs = append(subs, s.Items)
	}
	for _, sub := range subs {
		if err := t.settle(sub); err != nil {
			return err
		}
	}
	low, high := s.bounds(question{})
	if low > high || s.MinItems < 0 || s.MinLength < 0 ||
		s.MaxItems != nil && *s.MaxItems < s.MinItems || s.MaxLength != nil && *s.MaxLength < s.MinLength {
		return errSchema("no value fits the limits")
	}
	if s.whole() && math.Ceil(low) > math.Floor(high) {
		return errSchema("no integer fits the limits")
	}
	if s.Pattern != "" {
		re, err := syntax.Parse(s.Pattern, syntax.Perl)
		if err != nil {
			return err
		}
		s.pattern = re.Simplify()
	}
	if s.Enum != nil && len(s.Enum) == 0 {
		return errSchema("the enum is empty")
	}
	return nil
}

func (s *schema) whole() bool { return slices.Contains(s.Type, "integer") }

// bounds are the limits of a number; where the schema sets none, those of the question, or 0 to 100 beside what is set.
func (s *schema) bounds(q question) (low, high float64) {
	step := 0.01
	if s.whole() {
		step = 1
	}
	low, high = math.Inf(-1), math.Inf(1)
	if s.Minimum != nil {
		low = *s.Minimum
	}
	if s.Above != nil {
		low = max(low, *s.Above+step)
	}
	if s.Maximum != nil {
		high = *s.Maximum
	}
	if s.Below != nil {
		high = min(high, *s.Below-step)
	}
	ownLow, ownHigh := 0.0, 100.0
	if q.ranged {
		ownLow, ownHigh = q.low, q.high
	}
	if math.IsInf(low, -1) {
		low = min(ownLow, high)
	}
	if math.IsInf(high, 1) {
		high = max(ownHigh, low)
	}
	return low, high
}

// errSchema is what a schema holds that cannot be followed.
func errSchema(format string, args ...any) error { return fmt.Errorf(format, args...) }
