package scenario

import (
	"strings"
	"unicode"
)

// locate maps a byte offset of a scalar's value to the line and column of the file where that byte was written.
//
// Folding, indentation and chomping only change white space, and quoting only adds escapes. So the n-th character that
// is not white space in the value is the n-th in the file, and walking both in step finds it.
func locate(lines []string, n *node, offset int) (line, column int) {
	w := walker{lines: lines, style: n.style, line: n.line, column: n.column}
	switch n.style {
	case styleSingle, styleDouble:
		w.column++
	case styleBlock:
		w.line, w.column = n.line+1, 1
	}
	last := mark{line: w.line, column: w.column}
	gap := 0 // white space of the value since last
	for i, r := range n.text {
		switch {
		case unicode.IsSpace(r):
			if i >= offset {
				return last.line, last.column + last.width + gap
			}
			gap++
			continue
		case !w.next():
			return last.line, last.column
		}
		last, gap = w.found, 0
		if i >= offset {
			return last.line, last.column
		}
	}
	return last.line, last.column + last.width + gap
}

// mark is where one character of a value stands in the file, and how many characters it takes there.
type mark struct{ line, column, width int }

// walker steps through the characters of a scalar in the file that are not white space.
type walker struct {
	lines        []string
	style        style
	line, column int // where to look next
	found        mark
}

// next moves to the next character that is not white space; false at the end of the file.
func (w *walker) next() bool {
	for w.line <= len(w.lines) {
		rest := skip(w.lines[w.line-1], w.column-1)
		trimmed := strings.TrimLeftFunc(rest, unicode.IsSpace)
		w.column += len([]rune(rest[:len(rest)-len(trimmed)]))
		width, space := w.measure(trimmed)
		if width == 0 {
			w.line, w.column = w.line+1, 1
			continue
		}
		w.found = mark{w.line, w.column, width}
		w.column += width
		if !space {
			return true
		}
	}
	return false
}

// measure says how many characters the first one of s takes in the file, 0 when the line holds no more, and whether it
// stands for white space.
func (w *walker) measure(s string) (width int, space bool) {
	switch {
	case s == "":
		return 0, false
	case w.style == styleSingle && strings.HasPrefix(s, "''"):
		return 2, false
	case w.style == styleDouble && s[0] == '\\':
		return measureEscape(s)
	}
	return 1, false
}

// measureEscape is measure for an escape of a double-quoted scalar.
func measureEscape(s string) (width int, space bool) {
	if len(s) < 2 {
		return 0, false // a backslash that folds the line
	}
	digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[1]]
	return min(2+digits, len(s)), strings.IndexByte("tnrvf NLP_\t", s[1]) >= 0
}

// skip drops n characters from the front of s.
func skip(s string, n int) string {
	for i := range s {
		if n <= 0 {
			return s[i:]
		}
		n--
	}
	return ""
}
