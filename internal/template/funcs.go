package template

import (
	"fmt"
	"maps"
	"slices"
	texttemplate "text/template"
)

const (
	maxText   = 64 << 10 // bytes a function may return
	maxOutput = 1 << 20  // bytes a template may write for one agent
)

// lookupName is the function the compiler puts in place of names. A source text cannot call it: it is not in arity.
const lookupName = "lookup"

// arity is the least and greatest number of arguments of every function a text may call; -1 is no limit.
var arity = map[string][2]int{
	"and": {1, -1}, "or": {1, -1}, "not": {1, 1},
	"eq": {2, -1}, "ne": {2, 2}, "lt": {2, 2}, "le": {2, 2}, "gt": {2, 2}, "ge": {2, 2},
	"len": {1, 1}, "index": {2, 2}, "slice": {2, 3},
	"print": {1, -1}, "printf": {1, -1}, "println": {0, -1}, "html": {1, -1}, "js": {1, -1}, "urlquery": {1, -1},
}

func functionNames() []string { return slices.Sorted(maps.Keys(arity)) }

// funcs are the functions that differ from those of text/template.
func funcs() texttemplate.FuncMap {
	return texttemplate.FuncMap{
		"eq": eq, "ne": ne,
		"lt":       order("lt", func(c int) bool { return c < 0 }),
		"le":       order("le", func(c int) bool { return c <= 0 }),
		"gt":       order("gt", func(c int) bool { return c > 0 }),
		"ge":       order("ge", func(c int) bool { return c >= 0 }),
		"printf":   printf,
		"print":    limited("print", fmt.Sprint),
		"println":  limited("println", fmt.Sprintln),
		"html":     limited("html", texttemplate.HTMLEscaper),
		"js":       limited("js", texttemplate.JSEscaper),
		"urlquery": limited("urlquery", texttemplate.URLQueryEscaper),
		lookupName: lookup,
	}
}

func tooLong(name string) error {
	return runError{fmt.Errorf("%s: more than %d bytes: %w", name, maxText, ErrTooLong)}
}

// limited keeps a text from being doubled, by assigning it to itself, until memory is gone.
func limited(name string, f func(...any) string) func(...any) (string, error) {
	return func(args ...any) (string, error) {
		out := f(args...)
		if len(out) > maxText {
			return "", tooLong(name)
		}
		return out, nil
	}
}
