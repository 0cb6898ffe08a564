package scenario

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// ErrTooLarge reports a scenario over the limits on size, keys, depth or expanded anchors.
var ErrTooLarge = errors.New("scenario too large")

// Error is one problem of a scenario.
type Error struct {
	File       string // the file's name as given to Load; the flag (such as "--agents 10") when an override is at fault
	Line       int    // from 1; 0 when an override is at fault
	Column     int    // in characters, from 1; 0 when an override is at fault
	Path       string // where in the document, such as "turn[0].answer.min"; "" for the file as a whole
	Msg        string // what is wrong
	Suggestion string // what was probably meant, "" when unknown
	SourceLine string // the line of the file, "" when an override is at fault

	cause error
}

// Error is the problem on one line: file:line:column: message, or flag: message.
func (e *Error) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Msg
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Msg)
}

// Unwrap gives the sentinel behind the problem, if there is one.
func (e *Error) Unwrap() error { return e.cause }

// clip is how many characters of a long source line Detail shows.
const clip = 120

// Detail is the problem over several lines: the message, the offending line with a caret, and the suggestion. It ends
// without a newline.
func (e *Error) Detail() string {
	var b strings.Builder
	b.WriteString(e.Error())
	if e.Line > 0 {
		line, column := window(e.SourceLine, e.Column)
		gutter := fmt.Sprintf("%5d | ", e.Line)
		fmt.Fprintf(&b, "\n%s%s\n%s%s^", gutter, line, strings.Repeat(" ", len(gutter)-2)+"| ", pad(line, column))
	}
	if e.Suggestion != "" {
		fmt.Fprintf(&b, "\n%sdid you mean %s?", strings.Repeat(" ", 8), e.Suggestion)
	}
	return b.String()
}

// window cuts a long line around the column and says where the column is in the cut.
func window(line string, column int) (string, int) {
	runes := []rune(line)
	if len(runes) <= clip {
		return line, column
	}
	from := max(0, min(column-1-clip/2, len(runes)-clip))
	return string(runes[from : from+clip]), column - from
}

// pad is the white space under the characters before column; tabs stay tabs so that the caret lines up.
func pad(line string, column int) string {
	var b strings.Builder
	for _, r := range line {
		if column--; column < 1 {
			break
		}
		if r == '\t' {
			b.WriteRune('\t')
		} else {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// Errors are all problems found in a scenario, in the order of the file; problems of overrides come first. Load
// returns it; errors.As finds the first *Error in it.
type Errors []*Error

// Error is one line for each problem.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, p := range e {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives the problems one by one.
func (e Errors) Unwrap() []error {
	list := make([]error, len(e))
	for i, p := range e {
		list[i] = p
	}
	return list
}

// Detail is the Detail of each problem, with an empty line between them.
func (e Errors) Detail() string {
	parts := make([]string, len(e))
	for i, p := range e {
		parts[i] = p.Detail()
	}
	return strings.Join(parts, "\n\n")
}

// maxErrors bounds what one hopeless file can make Load say.
const maxErrors = 100

// problems collects what is wrong with one document.
type problems struct {
	file  string
	lines []string
	list  Errors
}

// add records a problem at a position of the file.
func (p *problems) add(line, column int, path, msg, suggestion string) {
	p.addCaused(nil, line, column, path, msg, suggestion)
}

// addCaused is add with an error that the problem wraps.
func (p *problems) addCaused(cause error, line, column int, path, msg, suggestion string) {
	line = max(1, line)
	column = max(1, column)
	e := &Error{File: p.file, Line: line, Column: column, Path: path, Msg: msg, Suggestion: suggestion, cause: cause}
	if line <= len(p.lines) {
		e.SourceLine = p.lines[line-1]
		e.Column = min(column, utf8.RuneCountInString(e.SourceLine)+1)
	}
	p.keep(e)
}

// addFlag records a problem of an override.
func (p *problems) addFlag(flag, path, msg, suggestion string) {
	p.keep(&Error{File: flag, Path: path, Msg: msg, Suggestion: suggestion})
}

var passwords = regexp.MustCompile(`//[^/\s@"']*@`)

// keep adds a problem. A password in a URL is not repeated: errors end up in logs.
func (p *problems) keep(e *Error) {
	for _, s := range []*string{&e.File, &e.Msg, &e.SourceLine, &e.Suggestion} {
		*s = passwords.ReplaceAllString(*s, "//…@")
	}
	if len(p.list) < maxErrors {
		p.list = append(p.list, e)
	}
}

// at records a problem of a node, wherever the node came from.
func (p *problems) at(n *node, format string, args ...any) {
	p.suggest(n, "", format, args...)
}

// suggest is at with a suggestion.
func (p *problems) suggest(n *node, suggestion, format string, args ...any) {
	msg := fmt.Sprintf(format, args...)
	if n.flag != "" {
		p.addFlag(n.flag, n.path, msg, suggestion)
		return
	}
	p.add(n.line, n.column, n.path, msg, suggestion)
}

// inside records a problem at a byte offset of a scalar's value.
func (p *problems) inside(n *node, offset int, msg, suggestion string) {
	if n.flag != "" {
		p.addFlag(n.flag, n.path, msg, suggestion)
		return
	}
	line, column := locate(p.lines, n, offset)
	p.add(line, column, n.path, msg, suggestion)
}

// err gives what was collected, sorted and without repetitions, or nil.
func (p *problems) err() error {
	if len(p.list) == 0 {
		return nil
	}
	slices.SortStableFunc(p.list, func(a, b *Error) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	p.list = slices.CompactFunc(p.list, func(a, b *Error) bool {
		return a.File == b.File && a.Line == b.Line && a.Column == b.Column && a.Msg == b.Msg
	})
	return p.list
}
