package scenario

import (
	"regexp"
	"slices"
)

// list is a list of pieces.
type list[T any] struct {
	place
	items []T
}

func (l *list[T]) read(d *decoder, n *node, r rules) {
	if n.kind != kindList {
		d.wrongKind(n, "a list", r)
		return
	}
	l.put(n)
	l.items = make([]T, len(n.items))
	for i, item := range n.items {
		n.number(i)
		d.decode(item, &l.items[i], rules{enum: r.enum, later: r.later})
	}
	if len(n.items) == 0 {
		d.at(n, "%q is an empty list", r.key)
	}
}

// table is a mapping whose keys the user chooses, in file order.
type table[T any] struct {
	place
	rows []row[T]
}

// row is one key of a table.
type row[T any] struct {
	key   *node
	value T
}

func (t *table[T]) read(d *decoder, n *node, r rules) {
	if n.kind != kindMap {
		d.wrongKind(n, "a mapping", r)
		return
	}
	t.put(n)
	t.rows = make([]row[T], len(n.entries))
	for i, e := range n.entries {
		n.name(e)
		t.rows[i].key = e.key
		d.decode(e.value, &t.rows[i].value, rules{key: e.key.text})
		if r.name {
			d.checkName(e.key, e.key.text)
		} else if !labelPattern.MatchString(e.key.text) {
			d.at(e.key, "%q is not a usable name: letters, digits, _ and -, starting with a letter", clipped(e.key.text))
		}
	}
	if r.required && len(n.entries) == 0 {
		d.at(n, "%q is empty", r.key)
	}
}

// names gives the keys in file order.
func (t *table[T]) names() []string {
	out := make([]string, len(t.rows))
	for i, r := range t.rows {
		out[i] = r.key.text
	}
	return out
}

var (
	labelPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,63}$`) // blocks and models
	namePattern  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)  // what templates and expressions name
)

// reserved words are what templates and expressions see; nothing else may be called so.
var reserved = []string{
	"vars", "world", "group", "groups", "persona", "self", "partner", "neighbours", "round", "previous", "answers", "size",
}

// checkName checks a name that templates and expressions use.
func (p *problems) checkName(n *node, name string) {
	switch {
	case slices.Contains(reserved, name):
		p.at(n, "%q is a reserved word", name)
	case !namePattern.MatchString(name):
		p.at(n, "%q is not a usable name: letters, digits and _, starting with a letter", clipped(name))
	}
}
