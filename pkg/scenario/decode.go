package scenario

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/myriad-sim/myriad/internal/expression"
)

// part is a piece of the document that knows how to read itself and how to describe itself. Plain structs are read
// field by field instead (see fields).
type part interface {
	read(d *decoder, n *node, r rules)
	shape(r rules) shape
}

// place remembers where a piece of the document was read from. Nil: the piece is absent.
type place struct{ at *node }

func (p *place) put(n *node) { p.at = n }

func (p *place) set() bool { return p.at != nil }

// rules are what the tags of a document field say:
//
//	key:"name"        the key in the file
//	doc:"..."         what it means, for editors
//	required:"true"   must be present (where it applies)
//	when:"a,b"        applies only when the struct's first field has one of these values
//	enum:"a,b"        the values text may have
//	later:"true"      not built yet: read, checked, refused; for an enum the list of values not built yet
//	min, max          inclusive bounds of a number
//	fill:"x"          the default, for editors
//	name:"true"       keys of a table are names that expressions use
type rules struct {
	key, doc, fill string
	required       bool
	when           []string
	enum           []string
	later          []string
	min, max       *float64
	name           bool
}

func rulesOf(tag reflect.StructTag) rules {
	list := func(key string) []string {
		if v := tag.Get(key); v != "" {
			return strings.Split(v, ",")
		}
		return nil
	}
	bound := func(key string) *float64 {
		if f, err := strconv.ParseFloat(tag.Get(key), 64); err == nil {
			return &f
		}
		return nil
	}
	return rules{
		key: tag.Get("key"), doc: tag.Get("doc"), fill: tag.Get("fill"),
		required: tag.Get("required") == "true", name: tag.Get("name") == "true",
		when: list("when"), enum: list("enum"), later: list("later"),
		min: bound("min"), max: bound("max"),
	}
}

// notBuilt reports whether the whole key is for later.
func (r rules) notBuilt() bool { return len(r.later) == 1 && r.later[0] == "true" }

// decoder fills the document from nodes.
type decoder struct {
	*problems
	broken bool // a mapping, a list or the kind of a thing was something else, so what it should declare is unknown
}

// decode reads a node into a pointer to a part or to a struct.
func (d *decoder) decode(n *node, into any, r rules) {
	if p, ok := into.(part); ok {
		p.read(d, n, r)
		return
	}
	v := reflect.ValueOf(into).Elem()
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		d.decode(n, v.Interface(), r)
		return
	}
	d.fields(n, v, r)
}

// docField is one declared key of a document struct.
type docField struct {
	index int
	rules rules
}

func fieldsOf(t reflect.Type) []docField {
	var out []docField
	for i := range t.NumField() {
		if r := rulesOf(t.Field(i).Tag); r.key != "" {
			out = append(out, docField{i, r})
		}
	}
	return out
}

// fields reads a mapping into a document struct.
func (d *decoder) fields(n *node, v reflect.Value, r rules) {
	if n.kind != kindMap {
		d.wrongKind(n, "a mapping", r)
		return
	}
	if p, ok := reflect.TypeAssert[interface{ put(*node) }](v.Addr()); ok {
		p.put(n)
	}
	declared := fieldsOf(v.Type())
	meant := map[string]bool{} // keys that unknown ones were probably meant to be
	for _, e := range n.entries {
		n.name(e)
		i := slices.IndexFunc(declared, func(f docField) bool { return f.rules.key == e.key.text })
		if i < 0 {
			meant[d.unknownKey(e.key, declared)] = true
			continue
		}
		f := declared[i]
		d.decode(e.value, v.Field(f.index).Addr().Interface(), f.rules)
		if f.rules.notBuilt() {
			d.at(e.key, "%q is not yet supported", e.key.text)
		}
	}
	d.applies(n, declared, meant)
}

// applies checks which keys must and which may be there.
func (d *decoder) applies(n *node, declared []docField, meant map[string]bool) {
	variant := ""
	if first := n.find(declared[0].rules.key); first != nil && first.scalar() {
		variant = first.text
	}
	known := slices.Contains(declared[0].rules.enum, variant)
	if !known && slices.ContainsFunc(declared, func(f docField) bool { return len(f.rules.when) > 0 }) {
		d.broken = true
	}
	for _, f := range declared {
		value := n.find(f.rules.key)
		relevant := len(f.rules.when) == 0 || slices.Contains(f.rules.when, variant)
		switch {
		case value == nil && f.rules.required && relevant && !meant[f.rules.key]:
			d.at(n, "%q is missing", f.rules.key)
		case value != nil && !relevant && known:
			d.at(d.keyOf(n, f.rules.key), "%q is not a key of %s %q", f.rules.key, declared[0].rules.key, variant)
		}
	}
}

func (d *decoder) keyOf(n *node, key string) *node {
	for _, e := range n.entries {
		if e.key.text == key {
			return e.key
		}
	}
	return n
}

// unknownKey reports a key that is not declared, and returns the one that was probably meant.
func (d *decoder) unknownKey(key *node, declared []docField) string {
	known := make([]string, len(declared))
	for i, f := range declared {
		known[i] = f.rules.key
	}
	meant := expression.Nearest(key.text, known)
	d.suggest(key, meant, "unknown key %q", clipped(key.text))
	return meant
}

// wrongKind says that a value is of the wrong type.
func (d *decoder) wrongKind(n *node, want string, r rules) {
	d.broken = d.broken || want == "a mapping" || want == "a list"
	what := "this"
	if r.key != "" {
		what = strconv.Quote(r.key)
	}
	suggestion := ""
	if want == "text" && n.scalar() && n.kind != kindNull {
		suggestion = strconv.Quote(n.text) + ", with quotes"
	}
	d.suggest(n, suggestion, "%s must be %s, not %s", what, want, n.kind)
}

// clipped keeps a word from the file short enough to print.
func clipped(s string) string {
	if runes := []rune(s); len(runes) > 60 {
		return string(runes[:60]) + "…"
	}
	return s
}
