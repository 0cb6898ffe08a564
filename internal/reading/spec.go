package reading

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// MaxReply is the longest reply, in bytes, that is read.
const MaxReply = 64 << 10

// Answer types, spelled as in a scenario file.
const (
	TypeNumber = "number"
	TypeChoice = "choice"
	TypeLikert = "likert"
	TypeText   = "text"
	TypeJSON   = "json"
	TypeCode   = "code"
	TypeTagged = "tagged"
)

// Clamp is the Spec.OutOfRange that moves a number outside its bounds to the nearest one; any other value refuses it.
const Clamp = "clamp"

// Spec says what a question's answer is.
type Spec struct {
	ID         string   // question id: the key looked for in JSON
	Type       string   // one of the Type constants
	Min, Max   float64  // number: inclusive bounds, NaN for none
	Decimals   int      // number: digits kept after the point, 0..9
	Points     int      // likert: answers are 1..Points, 2..11
	Choices    []string // choice: at least two, all different
	Schema     *Schema  // json: nil accepts any JSON value
	Language   string   // code: the language a block must name; "" accepts any block
	Tags       []string // tagged: at least one, all different whatever their case; letters, digits, _ and -
	OutOfRange string   // number: Clamp, or anything else to refuse
}

// Reading is an answer.
type Reading struct {
	Value    float64 // number: rounded to Decimals digits, half away from zero; likert: the point; else 0
	Choice   int     // choice: index into Spec.Choices; else 0
	Text     string  // the answer written plainly: digits, the choice as declared, the text or code, compact JSON
	Repaired bool    // JSON that had to be repaired first
}

// Reader reads the replies to one question in one round. It is immutable and safe for concurrent use.
type Reader struct {
	spec          Spec
	lo, hi        float64 // the bounds, moved inward to representable values; infinite for none
	limit         float64 // largest size a number may have whatever the bounds
	choices       []choice
	lowTags       []string // Spec.Tags in lower case
	thoughts      []string // the elements of thinking that come before an answer
	none, refused string   // what an extraction writes in place of a value
}

// New builds a Reader. It is cheap enough to call for each round. The error wraps ErrSpec.
func New(s Spec) (*Reader, error) {
	r := &Reader{spec: s, lo: math.Inf(-1), hi: math.Inf(1), none: "NONE", refused: "REFUSED", thoughts: thinkTags}
	switch s.Type {
	case TypeNumber:
		if err := r.setBounds(); err != nil {
			return nil, err
		}
	case TypeLikert:
		if s.Points < 2 || s.Points > 11 {
			return nil, fmt.Errorf("%w: a scale has 2 to 11 points, not %d", ErrSpec, s.Points)
		}
		r.spec.Decimals, r.spec.OutOfRange = maxDecimals, ""
		r.lo, r.hi = 1, float64(s.Points)
		r.limit = r.hi
	case TypeChoice:
		if err := r.setChoices(); err != nil {
			return nil, err
		}
	case TypeText, TypeCode:
		// A text may well be the word "none", so here the marks are ones nobody writes.
		r.none, r.refused = "[NONE]", "[REFUSED]"
	case TypeTagged:
		if err := r.setTags(); err != nil {
			return nil, err
		}
	case TypeJSON:
	default:
		return nil, fmt.Errorf("%w: unknown type %q", ErrSpec, s.Type)
	}
	return r, nil
}

func (r *Reader) setBounds() error {
	s := r.spec
	if s.Decimals < 0 || s.Decimals > maxDecimals {
		return fmt.Errorf("%w: decimals must be 0 to %d, not %d", ErrSpec, maxDecimals, s.Decimals)
	}
	if math.IsInf(s.Min, 0) || math.IsInf(s.Max, 0) {
		return fmt.Errorf("%w: a bound is infinite", ErrSpec)
	}
	scale := pow10[s.Decimals]
	if !math.IsNaN(s.Min) {
		c := math.Round(s.Min * scale)
		if c/scale < s.Min {
			c++
		}
		r.lo = c / scale
	}
	if !math.IsNaN(s.Max) {
		c := math.Round(s.Max * scale)
		if c/scale > s.Max {
			c--
		}
		r.hi = c / scale
	}
	r.limit = maxCanonical / scale
	if r.lo > r.hi || r.lo > r.limit || r.hi < -r.limit {
		return fmt.Errorf("%w: no number with %d decimals is from %v to %v", ErrSpec, s.Decimals, s.Min, s.Max)
	}
	return nil
}

func (r *Reader) setChoices() error {
	if len(r.spec.Choices) < 2 {
		return fmt.Errorf("%w: a choice needs at least two options", ErrSpec)
	}
	r.spec.Choices = slices.Clone(r.spec.Choices)
	folded := map[string]int{}
	for i, text := range r.spec.Choices {
		if strings.TrimSpace(text) == "" {
			return fmt.Errorf("%w: choice %d is empty", ErrSpec, i+1)
		}
		if slices.Contains(r.spec.Choices[:i], text) {
			return fmt.Errorf("%w: choice %q is there twice", ErrSpec, text)
		}
		c := newChoice(text)
		if strings.EqualFold(text, r.none) || strings.EqualFold(text, r.refused) {
			r.none, r.refused = "[NONE]", "[REFUSED]"
		}
		if other, twice := folded[c.key]; twice {
			// Two choices that differ only in case or punctuation are read only when written exactly.
			c.exactOnly, r.choices[other].exactOnly = true, true
		}
		folded[c.key] = i
		r.choices = append(r.choices, c)
	}
	return nil
}

func (r *Reader) setTags() error {
	if len(r.spec.Tags) == 0 {
		return fmt.Errorf("%w: there are no tags", ErrSpec)
	}
	r.spec.Tags = slices.Clone(r.spec.Tags)
	for _, tag := range r.spec.Tags {
		low := asciiLower(tag)
		if tag == "" || strings.Trim(low, "abcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
			return fmt.Errorf("%w: %q cannot be a tag", ErrSpec, tag)
		}
		if slices.Contains(r.lowTags, low) {
			return fmt.Errorf("%w: tag %q is there twice", ErrSpec, tag)
		}
		r.lowTags = append(r.lowTags, low)
	}
	// Thinking that was asked for is part of the answer.
	r.thoughts = slices.DeleteFunc(slices.Clone(thinkTags), func(t string) bool { return slices.Contains(r.lowTags, t) })
	return nil
}

// bounds says in words what a number may be: "from 0 to 100".
func (r *Reader) bounds() string {
	switch {
	case math.IsInf(r.lo, 0) && math.IsInf(r.hi, 0):
		return "of ordinary size"
	case math.IsInf(r.lo, 0):
		return "at most " + formatPlain(r.hi)
	case math.IsInf(r.hi, 0):
		return "at least " + formatPlain(r.lo)
	}
	return "from " + formatPlain(r.lo) + " to " + formatPlain(r.hi)
}
