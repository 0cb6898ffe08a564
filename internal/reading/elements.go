package reading

import (
	"encoding/json"
	"fmt"
	"strings"
)

// elements reads a reply whose answer stands between declared tags: every one must be there once, in any order, none inside
// another. What stands outside them is not part of the answer. The text is an object of their contents as declared.
func (r *Reader) elements(body string) (Reading, error) {
	found, _, err := r.contents(body)
	if err != nil {
		return Reading{}, err
	}
	return r.written(found)
}

// elementsAlone reads an extraction, in which nothing stands outside the tags.
func (r *Reader) elementsAlone(body string) (Reading, error) {
	found, alone, err := r.contents(body)
	switch {
	case err != nil:
		return Reading{}, err
	case !alone:
		return Reading{}, fmt.Errorf("%w: more stands outside the tags", ErrNoValue)
	}
	return r.written(found)
}

// written writes the contents of the tags as an object.
func (r *Reader) written(found []string) (Reading, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	said := false
	out := []byte{'{'}
	for i, tag := range r.spec.Tags {
		said = said || found[i] != ""
		if i > 0 {
			out = append(out, ',')
		}
		b.Reset()
		if err := e.Encode(found[i]); err != nil {
			return Reading{}, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		out = append(out, '"')
		out = append(out, tag...)
		out = append(out, '"', ':')
		out = append(out, strings.TrimSuffix(b.String(), "\n")...)
	}
	if !said {
		return Reading{}, fmt.Errorf("%w: there is nothing between the tags", ErrEmpty)
	}
	return Reading{Text: string(append(out, '}'))}, nil
}

// contents gives what stands between the tags, by position of the tag, and whether nothing but white space stands outside.
func (r *Reader) contents(body string) (found []string, alone bool, err error) {
	lower := asciiLower(body)
	found, alone = make([]string, len(r.spec.Tags)), true
	seen := make([]bool, len(r.spec.Tags))
	open, from := -1, 0 // the tag that is open, and where the last one that was read ends
	for at := 0; ; {
		next := strings.IndexByte(lower[at:], '<')
		if next < 0 {
			break
		}
		at += next
		tag, closing := r.tagAt(lower[at:])
		if tag < 0 {
			at++
			continue
		}
		name := r.spec.Tags[tag]
		switch {
		case closing && open == tag:
			found[tag], open = strings.TrimSpace(body[from:at]), -1
		case closing:
			return nil, false, fmt.Errorf("%w: </%s> closes nothing", ErrAmbiguous, name)
		case open >= 0:
			return nil, false, fmt.Errorf("%w: <%s> is inside <%s>", ErrAmbiguous, name, r.spec.Tags[open])
		case seen[tag]:
			return nil, false, fmt.Errorf("%w: <%s> is there twice", ErrManyValues, name)
		default:
			alone = alone && strings.TrimSpace(body[from:at]) == ""
			open, seen[tag] = tag, true
		}
		at += strings.IndexByte(lower[at:], '>') + 1
		from = at
	}
	if open >= 0 {
		return nil, false, fmt.Errorf("%w: <%s> is not closed", ErrTruncated, r.spec.Tags[open])
	}
	return found, alone && strings.TrimSpace(body[from:]) == "", r.complete(body, seen)
}

// complete checks that no tag is missing.
func (r *Reader) complete(body string, seen []bool) error {
	none, missing := true, ""
	for i, tag := range r.spec.Tags {
		none = none && !seen[i]
		if !seen[i] && missing == "" {
			missing = tag
		}
	}
	if missing == "" {
		return nil
	}
	if none {
		if normal, err := normalise(body); err == nil && refuses(normal) {
			return ErrRefusal
		}
	}
	return fmt.Errorf("%w: there is no <%s>…</%s>", ErrNoValue, missing, missing)
}

// tagAt gives the declared tag that s, in lower case, starts with, -1 for none.
func (r *Reader) tagAt(s string) (tag int, closing bool) {
	rest, closing := strings.CutPrefix(s[1:], "/")
	for i, name := range r.lowTags {
		if after, ok := strings.CutPrefix(rest, name); ok && strings.HasPrefix(after, ">") {
			return i, closing
		}
	}
	return -1, false
}
