package reading

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// keys under which an answer may stand besides the question's id.
var keys = words("answer value number choice")

// opensObject reports whether s, which starts with a brace, begins like an object: with a key, or empty. Braces of prose
// and LaTeX do not.
func opensObject(s string) bool {
	rest := strings.TrimLeft(s[1:], " \t\r\n")
	if rest == "" || strings.ContainsRune("\"'}#", rune(rest[0])) || strings.HasPrefix(rest, "//") || strings.HasPrefix(rest, "/*") {
		return true
	}
	key := bareKey.FindString(rest[:min(len(rest), 64)])
	return key != "" && strings.HasPrefix(strings.TrimLeft(rest[len(key):], " \t\r\n"), ":")
}

// found is an object's place in a reply, with the fence around it if it fills one.
type found struct {
	object
	from, to int // in the reply, fence included
}

// findObjects returns the objects of a reply, none inside another.
func findObjects(body string) ([]found, error) {
	var out []found
	for at := 0; ; {
		next := strings.IndexByte(body[at:], '{')
		if next < 0 {
			return out, nil
		}
		from := at + next
		if !opensObject(body[from:]) || from > 0 && (body[from-1] == '\\' || body[from-1] == '}' || wordByte(body[from-1])) {
			at = from + 1 // prose, a LaTeX command's argument, or part of a word
			continue
		}
		o, err := scanObject(body, from)
		if err != nil {
			return nil, err
		}
		f := found{object: o}
		f.from, f.to = fenced(body, from, o.end)
		out = append(out, f)
		at = f.to
	}
}

// fenced widens a span over the code fence that holds nothing else.
func fenced(body string, from, to int) (int, int) {
	const fence = "```"
	head := strings.TrimRight(body[:from], " \t\r\n")
	open := strings.TrimSuffix(strings.TrimSuffix(head, "json"), "JSON")
	if !strings.HasSuffix(open, fence) {
		return from, to
	}
	tail := strings.TrimLeft(body[to:], " \t\r\n")
	if tail != "" && !strings.HasPrefix(tail, fence) {
		return from, to
	}
	end := len(body) - len(strings.TrimPrefix(tail, fence))
	return len(open) - len(fence), end
}

// objects reads the answer in each object of a reply and returns the reply with a mark of ours in place of each.
func (r *Reader) objects(body string) ([]candidate, string, error) {
	body = strings.ReplaceAll(body, string(place), "")
	list, err := findObjects(body)
	if err != nil || len(list) == 0 {
		return nil, body, err
	}
	var out []candidate
	var rest strings.Builder
	at := 0
	for _, f := range list {
		got, key, err := r.keyed(f)
		out = append(out, candidate{
			occurrence: occurrence{key: key, got: got, err: err},
			trusted:    f.from == 0,
		})
		rest.WriteString(body[at:f.from] + " " + string(place) + " ")
		at = f.to
	}
	rest.WriteString(body[at:])
	return out, rest.String(), nil
}

// keyed reads the answer in one object.
func (r *Reader) keyed(f found) (got Reading, key string, err error) {
	seen := false
	for _, m := range f.members {
		if !strings.EqualFold(m.key, r.spec.ID) && !keys[strings.ToLower(m.key)] {
			continue
		}
		if !m.complete {
			return Reading{}, "", fmt.Errorf("%w: the value of %q", ErrTruncated, m.key)
		}
		raw, err := decodeJSON(m.json)
		if err != nil {
			return Reading{}, "", err
		}
		next, nextKey, err := r.fromJSON(raw)
		if err != nil {
			return Reading{}, "", err
		}
		if seen && nextKey != key {
			return Reading{}, "", fmt.Errorf("%w: %s and %s", ErrManyValues, clip(got.Text), clip(next.Text))
		}
		seen, got, key = true, next, nextKey
	}
	switch {
	case seen:
		got.Repaired = f.repair || f.cut
		return got, key, nil
	case f.cut:
		return Reading{}, "", ErrTruncated
	}
	return Reading{}, "", fmt.Errorf("%w: the JSON has no key %q", ErrNoValue, r.wanted())
}

// wanted is the key a reply in JSON should have.
func (r *Reader) wanted() string {
	if r.spec.ID == "" {
		return "answer"
	}
	return r.spec.ID
}

// decodeJSON decodes exactly one value, numbers as json.Number.
func decodeJSON(text string) (any, error) {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: more follows the value", ErrMalformed)
	}
	if !sane(v) {
		return nil, fmt.Errorf("%w: a number in it is too large", ErrMalformed)
	}
	return v, nil
}

// sane refuses numbers whose exponent would have exact arithmetic, here or in a schema, write out billions of digits.
func sane(v any) bool {
	switch v := v.(type) {
	case json.Number:
		_, exponent, _ := strings.Cut(strings.ToLower(v.String()), "e")
		return len(v) <= maxDigits && len(strings.TrimLeft(exponent, "+-0")) <= 3
	case []any:
		return !slices.ContainsFunc(v, func(item any) bool { return !sane(item) })
	case map[string]any:
		for _, item := range v {
			if !sane(item) {
				return false
			}
		}
	}
	return true
}

// fromJSON reads a decoded value of the declared type.
func (r *Reader) fromJSON(v any) (got Reading, key string, err error) {
	switch v := v.(type) {
	case json.Number:
		if r.spec.Type == TypeChoice || r.spec.Type == TypeText {
			return r.whole(v.String())
		}
		return r.number(v.String())
	case string:
		return r.whole(v)
	case nil:
		return Reading{}, "", fmt.Errorf("%w: the value is null", ErrNoValue)
	}
	return Reading{}, "", fmt.Errorf("%w: the value in the JSON is not a %s", ErrNoValue, r.spec.Type)
}

// whole reads a text that must be the value and nothing else.
func (r *Reader) whole(text string) (got Reading, key string, err error) {
	switch r.spec.Type {
	case TypeText:
		text = strings.TrimSpace(text)
		if text == "" {
			return Reading{}, "", ErrEmpty
		}
		return Reading{Text: text}, text, nil
	case TypeChoice:
		if got, ok := r.exactChoice(strings.TrimSpace(text)); ok {
			return got, r.choices[got.Choice].key, nil
		}
	}
	normal, err := normalise(text)
	if err != nil {
		return Reading{}, "", err
	}
	ws := split(normal)
	list := r.occurrences(ws)
	switch {
	case len(list) == 0 && r.spec.Type == TypeChoice:
		return Reading{}, "", r.noneOf(text)
	case len(list) == 0:
		return Reading{}, "", fmt.Errorf("%w: %q is not a number", ErrNoValue, clip(text))
	case len(list) > 1:
		return Reading{}, "", ErrManyValues
	}
	o := list[0]
	end, complete := r.after(ws, o.to)
	if o.err == nil && (o.from != 0 || !complete || end != len(ws)) {
		return Reading{}, "", fmt.Errorf("%w: %q says more than the answer", ErrAmbiguous, clip(text))
	}
	return o.got, o.key, o.err
}
