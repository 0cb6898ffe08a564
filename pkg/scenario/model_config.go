package scenario

import (
	"strings"
	"unicode/utf8"
)

// ParseModel reads one model outside a scenario: src is what would stand under its name in models:, as YAML or JSON, and
// the same keys and checks apply. at names the place in the paths of errors, such as "model"; the error is of type Errors.
// The model has no name: whoever asks for it gives it one.
func ParseModel(at string, src []byte) (*Model, error) {
	p := &problems{file: at}
	if len(src) > maxBytes {
		p.addCaused(ErrTooLarge, 1, 1, at, "a model may be described in 512 KiB, this is more", "")
		return nil, p.err()
	}
	text := normalise(src)
	if !utf8.ValidString(text) {
		line, column := firstInvalid(text)
		p.add(line, column, at, "this is not UTF-8 text", "")
		return nil, p.err()
	}
	p.lines = strings.Split(text, "\n")
	root := parseYAML(text, "", p)
	if root == nil {
		return nil, p.err()
	}
	root.path = at
	doc := document{Models: table[modelDoc]{rows: []row[modelDoc]{{key: &node{kind: kindText, path: at}}}}}
	d := &decoder{problems: p}
	d.decode(root, &doc.Models.rows[0].value, rules{key: at})
	if d.broken {
		return nil, p.err()
	}
	r := &resolver{problems: p, doc: &doc, s: &Scenario{}}
	r.models()
	if err := p.err(); err != nil {
		return nil, err
	}
	return &r.s.Models[0], nil
}
