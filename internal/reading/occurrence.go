package reading

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// occurrence is a value of the declared type in a text, at words from..to-1.
type occurrence struct {
	from, to int
	key      string // equal for equal values; "" when the value cannot be read
	got      Reading
	err      error // why it cannot be read, or is not allowed
}

// occurrences finds every value in the words: each number for number and likert, each choice mentioned for choice.
func (r *Reader) occurrences(ws []word) []occurrence {
	if r.spec.Type == TypeChoice {
		return r.mentions(ws)
	}
	var out []occurrence
	for i := 0; i < len(ws); i++ {
		w := ws[i]
		if w.spelled() {
			out = append(out, occurrence{from: i, to: i + 1, err: fmt.Errorf("%w: write the number in digits", ErrNoValue)})
			continue
		}
		if !w.numeric() {
			continue
		}
		o := occurrence{from: i, to: i + 1}
		core := w.core
		if r.spec.Type == TypeLikert {
			core, o.to = r.scalePoint(ws, i)
		}
		plain, err := r.token(core)
		switch {
		case err != nil:
			o.err = err
		case w.bullet && r.lo < 0:
			o.err = fmt.Errorf("%w: %q may be negative", ErrAmbiguous, "- "+clip(core))
		default:
			o.got, o.key, o.err = r.number(plain)
		}
		out = append(out, o)
		i = o.to - 1
	}
	return out
}

// scalePoint reads "4/5" and "4 out of 5" on a scale of five as 4.
func (r *Reader) scalePoint(ws []word, i int) (core string, to int) {
	points := strconv.Itoa(r.spec.Points)
	core = ws[i].core
	if before, after, found := strings.Cut(core, "/"); found && after == points {
		return before, i + 1
	}
	rest := ws[i+1:]
	if len(rest) > 0 && rest[0].core == "out" {
		rest = rest[1:]
	}
	if len(rest) > 1 && rest[0].core == "of" && rest[1].core == points && ws[i].trail == "" {
		return core, len(ws) - len(rest) + 2
	}
	return core, i + 1
}

// after returns the index of the first word after the occurrence and what belongs to it, a unit or the label of a scale
// point, and whether the value is complete there: a sentence or line ends, or a reason follows.
func (r *Reader) after(ws []word, to int) (int, bool) {
	last := ws[to-1]
	trail := strings.Trim(last.trail, ")]}\"'")
	if strings.Contains(trail, "?") || strings.Contains(trail, "..") {
		return to, false
	}
	if r.spec.Type == TypeLikert {
		if end := label(ws, to); end > to {
			return end, true
		}
	}
	if strings.ContainsAny(trail, ".!;") {
		return to, true
	}
	if to == len(ws) {
		return to, trail == ""
	}
	next := ws[to]
	if trail == "" && next.line == last.line && units[next.core] && r.spec.Type == TypeNumber {
		return r.after(ws, to+1)
	}
	if trail == "" || trail == "," {
		if reasons[next.core] {
			return to, true
		}
	}
	if trail == "" && next.line > last.line {
		c, _ := utf8.DecodeRuneInString(next.raw)
		return to, next.line > last.line+1 || unicode.IsUpper(c) || c == place
	}
	return to, false
}

// scaleWords are what the points of a scale are called.
var scaleWords = words(`strongly somewhat slightly moderately very extremely fully completely totally mostly quite a
	little bit not at all neither nor agree disagree neutral likely unlikely satisfied dissatisfied important unimportant
	often never always sometimes rarely good bad poor excellent fair happy unhappy true false untrue undecided unsure
	comfortable uncomfortable high low medium moderate support oppose positive negative of like me confident`)

// label returns the end of a label such as "- agree" or "(strongly agree)" that starts at word at and fills the line, or
// at if there is none.
func label(ws []word, at int) int {
	if at == len(ws) || ws[at].line != ws[at-1].line {
		return at
	}
	end := at
	switch core := ws[at].core; {
	case core == "-" || core == "–" || core == "—":
		end++
	case ws[at-1].has(":") || ws[at-1].has(",") || strings.Contains(ws[at].open, "("):
	default:
		return at
	}
	named := end
	for end < len(ws) && ws[end].line == ws[at].line {
		if !scaleWords[ws[end].core] {
			return at
		}
		end++
	}
	if end == named {
		return at
	}
	return end
}
