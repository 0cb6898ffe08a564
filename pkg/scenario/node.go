package scenario

import "fmt"

// kind is what a node of the document is.
type kind uint8

const (
	kindNull kind = iota
	kindBool
	kindNumber
	kindText
	kindList
	kindMap
)

// String names the kind the way an error message does.
func (k kind) String() string {
	return [...]string{"nothing", "true or false", "a number", "text", "a list", "a mapping"}[k]
}

// style is how a scalar is written, which decides how its value maps back to the file.
type style uint8

const (
	stylePlain style = iota
	styleSingle
	styleDouble
	styleBlock // | or >
)

// node is one value of the document, free of anchors and of the YAML reader's own types.
type node struct {
	kind    kind
	style   style
	text    string // scalars: the value; numbers as they were written
	raw     bool   // a scalar given by an override: it is whatever the place it goes to wants
	line    int    // of the first character, from 1
	column  int    // in characters, from 1
	flag    string // the override that made the node; "" when it comes from the file
	path    string
	items   []*node
	entries []entry
}

// entry is one key of a mapping.
type entry struct {
	key, value *node
}

func (n *node) scalar() bool { return n.kind < kindList }

// find gives the value under a key, or nil.
func (n *node) find(key string) *node {
	for _, e := range n.entries {
		if e.key.text == key {
			return e.value
		}
	}
	return nil
}

// keys gives the keys of a mapping, none for anything else.
func (n *node) keys() []string {
	if n == nil {
		return nil
	}
	out := make([]string, len(n.entries))
	for i, e := range n.entries {
		out[i] = e.key.text
	}
	return out
}

// put sets the value under a key, adding the key when there is none.
func (n *node) put(key string, value *node) {
	for i, e := range n.entries {
		if e.key.text == key {
			n.entries[i].value = value
			return
		}
	}
	at := &node{kind: kindText, text: key, flag: value.flag, line: n.line, column: n.column}
	n.entries = append(n.entries, entry{key: at, value: value})
}

// name tells nodes under a mapping and their keys where they are.
func (n *node) name(e entry) {
	path := e.key.text
	if n.path != "" {
		path = n.path + "." + path
	}
	e.key.path, e.value.path = path, path
}

// number tells the items of a list where they are.
func (n *node) number(i int) {
	n.items[i].path = fmt.Sprintf("%s[%d]", n.path, i)
}
