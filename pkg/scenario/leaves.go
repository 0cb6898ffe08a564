package scenario

import (
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/myriad-sim/myriad/internal/expression"
)

// word is text, one of a fixed set when its rules have an enum.
type word struct {
	place
	v string
}

func (w *word) read(d *decoder, n *node, r rules) {
	if n.kind != kindText && !(n.raw && n.scalar()) {
		d.wrongKind(n, "text", r)
		return
	}
	w.put(n)
	w.v = n.text
	switch {
	case len(r.enum) > 0 && !slices.Contains(r.enum, n.text):
		d.suggest(n, expression.Nearest(n.text, r.enum), "%q is not one of %s", clipped(n.text), strings.Join(built(r), ", "))
	case slices.Contains(r.later, n.text):
		d.at(n, "%q is not yet supported", n.text)
	case strings.TrimSpace(n.text) == "":
		d.at(n, "%q is empty", r.key)
	}
}

// built are the values of an enum that work today.
func built(r rules) []string {
	return slices.DeleteFunc(slices.Clone(r.enum), func(v string) bool { return slices.Contains(r.later, v) })
}

// or gives the text, or a default when there is none.
func (w *word) or(fill string) string {
	if w.set() {
		return w.v
	}
	return fill
}

// toggle is true or false.
type toggle struct {
	place
	v bool
}

func (t *toggle) read(d *decoder, n *node, r rules) {
	if n.kind != kindBool && !(n.raw && (n.text == "true" || n.text == "false")) {
		d.wrongKind(n, "true or false", r)
		return
	}
	t.put(n)
	t.v = n.text == "true"
}

// number is an exact number: 3, 0.25 or 1/4.
type number struct {
	place
	v *big.Rat // nil when absent or unreadable
}

func (q *number) read(d *decoder, n *node, r rules) {
	q.v = readRat(d, n, "a number", r)
	if q.v != nil {
		q.put(n)
	}
}

// float is the nearest float64, or 0 when there is none.
func (q *number) float() float64 {
	if q.v == nil {
		return 0
	}
	f, _ := q.v.Float64()
	return f
}

// whole is a whole number.
type whole struct {
	place
	v *big.Int // nil when absent or unreadable
}

func (w *whole) read(d *decoder, n *node, r rules) {
	rat := readRat(d, n, "a whole number", r)
	switch {
	case rat == nil:
	case !rat.IsInt():
		d.at(n, "%q must be a whole number, not %s", r.key, n.text)
	default:
		w.v = rat.Num()
		w.put(n)
	}
}

// integer is the value, or a default when there is none. The rules' bounds keep it in range.
func (w *whole) integer(fill int) int {
	if w.v == nil || !w.v.IsInt64() {
		return fill
	}
	return int(w.v.Int64())
}

var (
	decimalPattern = regexp.MustCompile(`^[+-]?([0-9][0-9_]*(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,2})?$`)
	ratioPattern   = regexp.MustCompile(`^[+-]?[0-9]+ ?/ ?[0-9]+$`)
)

const maxNumber = 64 // characters of a number

// parseRat reads an exact number.
func parseRat(text string) (*big.Rat, bool) {
	if len(text) > maxNumber || !decimalPattern.MatchString(text) && !ratioPattern.MatchString(text) {
		return nil, false
	}
	return new(big.Rat).SetString(strings.NewReplacer("_", "", " ", "").Replace(strings.TrimPrefix(text, "+")))
}

func readRat(d *decoder, n *node, want string, r rules) *big.Rat {
	if n.kind != kindNumber && n.kind != kindText && !n.raw {
		d.wrongKind(n, want, r)
		return nil
	}
	rat, ok := parseRat(n.text)
	switch {
	case !ok && n.kind == kindText && !n.raw:
		d.wrongKind(n, want, r)
		return nil
	case !ok:
		d.at(n, "%s is not a number that can be used here", clipped(n.text))
		return nil
	}
	f, _ := rat.Float64()
	switch {
	case r.min != nil && r.max != nil && *r.min == *r.max && f != *r.min:
		d.at(n, "%q must be %s, not %s", r.key, plain(*r.min), n.text)
	case r.min != nil && r.max != nil && (f < *r.min || f > *r.max):
		d.at(n, "%q must be from %s to %s, not %s", r.key, plain(*r.min), plain(*r.max), n.text)
	case r.min != nil && f < *r.min:
		d.at(n, "%q must be at least %s, not %s", r.key, plain(*r.min), n.text)
	default:
		return rat
	}
	return nil
}

func plain(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// source is the text of an expression; a plain number is one too.
type source struct{ place }

func (s *source) read(d *decoder, n *node, r rules) {
	if !n.scalar() || n.kind == kindNull {
		d.wrongKind(n, "an expression", r)
		return
	}
	s.put(n)
}

// prose is the text of a template.
type prose struct{ place }

func (t *prose) read(d *decoder, n *node, r rules) {
	if n.kind != kindText && !(n.raw && n.scalar()) {
		d.wrongKind(n, "text", r)
		return
	}
	t.put(n)
	if strings.TrimSpace(n.text) == "" {
		d.at(n, "%q is empty", r.key)
	}
}

// span is a length of time such as 250ms, 1s or 2m.
type span struct {
	place
	v time.Duration
}

func (s *span) read(d *decoder, n *node, r rules) {
	v, err := time.ParseDuration(n.text)
	switch {
	case !n.scalar() || n.kind == kindNull:
		d.wrongKind(n, "a duration such as 1s", r)
	case err != nil:
		suggestion := ""
		if n.kind == kindNumber {
			suggestion = n.text + "s"
		}
		d.suggest(n, suggestion, "%q must be a duration such as 250ms, 1s or 2m, not %s", r.key, clipped(n.text))
	case v < 0 || v > 24*time.Hour:
		d.at(n, "%q must be from 0s to 24h, not %s", r.key, n.text)
	default:
		s.v = v
		s.put(n)
	}
}

// constant is the value of a var: a number, an exact ratio, text, or true or false.
type constant struct {
	place
	v expression.Value
}

func (c *constant) read(d *decoder, n *node, _ rules) {
	if !n.scalar() || n.kind == kindNull {
		d.wrongKind(n, "a number, text, or true or false", rules{})
		return
	}
	v, err := expression.ParseValue(n.text)
	if err != nil {
		d.at(n, "%v", err)
		v, _ = expression.ParseValue("0") // still a number to those who use it
	}
	c.v = v
	c.put(n)
}
