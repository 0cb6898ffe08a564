package scenario

import (
	"strings"
	"unicode/utf8"
)

const maxRounds = 1_000_000

// Load reads a scenario and applies overrides to it. file is only named in errors. All problems are reported at once:
// the error is of type Errors, each with a position in the file or, when an override is at fault, the flag.
// The result depends on nothing but src and o, so every service that loads a recorded run gets the same scenario.
func Load(file string, src []byte, o Overrides) (*Scenario, error) {
	p := &problems{file: file}
	if len(src) > maxBytes {
		p.addCaused(ErrTooLarge, 1, 1, "", "a scenario may have 512 KiB, this file is larger", "")
		return nil, p.err()
	}
	text := normalise(src)
	if !utf8.ValidString(text) {
		line, column := firstInvalid(text)
		p.add(line, column, "", "this is not UTF-8 text", "")
		return nil, p.err()
	}
	p.lines = strings.Split(text, "\n")
	root := parseYAML(text, "", p)
	if root == nil {
		return nil, p.err()
	}
	var doc document
	d := &decoder{problems: p}
	if root.kind == kindMap {
		o.apply(root, p)
	}
	d.decode(root, &doc, rules{})
	if d.broken {
		return nil, p.err() // names that are only seemingly unknown would drown the problem
	}
	r := &resolver{problems: p, doc: &doc, s: &Scenario{}}
	r.resolve()
	if err := p.err(); err != nil {
		return nil, err
	}
	if r.dryRun(); len(p.list) > 0 {
		return nil, p.err()
	}
	return r.s, nil
}

// firstInvalid is the position of the first byte that is not UTF-8.
func firstInvalid(text string) (line, column int) {
	line, column = 1, 1
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], string(utf8.RuneError)):
			return line, column
		case r == '\n':
			line, column = line+1, 1
		default:
			column++
		}
	}
	return line, column
}
