package reading

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Rule reads a reply without a model. It accepts JSON with the question's key, an "Answer:" tag, or the one value of the
// reply where it stands as an answer; code in the one fence, and tagged texts between their tags; when in doubt it does not accept. Every error wraps one of the package's
// sentinels and reads as a sentence for the model that gave the reply. A plain value, bare or in an object,
// costs no allocation.
func (r *Reader) Rule(reply string) (Reading, error) {
	switch r.spec.Type {
	case TypeNumber, TypeLikert:
		if v, text, ok := r.quick(reply); ok {
			return r.bounded(v, text)
		}
		if got, ok, err := r.single(reply); ok {
			return got, err
		}
	case TypeChoice:
		whole := strings.TrimSpace(reply)
		if got, ok := r.exactChoice(whole); ok {
			return got, nil
		}
		if got, ok := r.exactChoice(strings.Trim(whole, "*_`\"'()[].!")); ok { // "(b)", "**Yes.**"
			return got, nil
		}
		if got, ok, err := r.single(reply); ok {
			return got, err
		}
	}
	if len(reply) > MaxReply {
		return Reading{}, fmt.Errorf("%w: more than %d bytes", ErrTooLong, MaxReply)
	}
	body, err := visible(reply, r.thoughts)
	if err != nil {
		return Reading{}, err
	}
	// Not trimmed: the line break at the end says whether JSON was cut inside a number.
	if strings.TrimSpace(body) == "" {
		return Reading{}, ErrEmpty
	}
	switch r.spec.Type {
	case TypeText:
		return r.text(strings.TrimSpace(body))
	case TypeJSON:
		return r.document(body)
	case TypeCode:
		return r.code(body)
	case TypeTagged:
		return r.elements(body)
	}
	return r.marked(body)
}

// candidate is a value the reply marks as its answer, in JSON or with a tag, and where.
type candidate struct {
	occurrence
	trusted bool // nothing before it says that it is an example or somebody else's
}

// marked reads numbers, scale points and choices: marked candidates if there are any, else the only value there is.
func (r *Reader) marked(body string) (Reading, error) {
	if broken(body) {
		return Reading{}, ErrTruncated
	}
	objects, rest, err := r.objects(body)
	if err != nil {
		return Reading{}, err
	}
	normal, err := normalise(rest)
	if err != nil {
		return Reading{}, err
	}
	ws := split(normal)
	candidates := r.tags(ws)
	for i, w := range ws {
		if w.core == string(place) && len(objects) > 0 {
			c := objects[0]
			objects = objects[1:]
			c.from, c.to, c.trusted = i, i+1, c.trusted || r.announced(ws, i)
			candidates = append(candidates, c)
		}
	}
	if len(objects) > 0 { // an object inside a word or a tag of markup
		return Reading{}, ErrAmbiguous
	}
	if len(candidates) == 0 {
		return r.sole(ws, normal)
	}
	got, err := r.agreed(ws, candidates)
	if errors.Is(err, ErrNoValue) && len(r.occurrences(ws)) == 0 && refuses(normal) {
		return Reading{}, ErrRefusal
	}
	return got, err
}

// broken reports whether a reply ends with a digit inside emphasis, quotes or brackets: more digits may have followed.
func broken(body string) bool {
	if c := body[len(body)-1]; c < '0' || c > '9' {
		return false
	}
	return strings.Count(body, "**")%2 == 1 || strings.Count(body, "`")%2 == 1 || strings.Count(body, `"`)%2 == 1 ||
		strings.Count(body, "(") > strings.Count(body, ")")
}

// agreed returns the value all candidates have, unless the text around them takes it back.
func (r *Reader) agreed(ws []word, candidates []candidate) (Reading, error) {
	first, end := candidates[0], 0
	repaired := false
	for _, c := range candidates {
		if c.err != nil {
			return Reading{}, c.err
		}
		if c.key != first.key {
			return Reading{}, fmt.Errorf("%w: %s and %s", ErrManyValues, clip(first.got.Text), clip(c.got.Text))
		}
		if !c.trusted {
			return Reading{}, ErrAmbiguous
		}
		end = max(end, c.to)
		repaired = repaired || c.got.Repaired
	}
	if !r.final(ws, end, first.key) {
		return Reading{}, fmt.Errorf("%w: more follows after %s", ErrAmbiguous, clip(first.got.Text))
	}
	first.got.Repaired = repaired
	return first.got, nil
}

// final reports whether the words from end on leave an answer as it is. Other values may stand only in an explanation.
func (r *Reader) final(ws []word, end int, key string) bool {
	rest := ws[end:]
	others := r.others(rest, key)
	explaining := false
	for start := 0; start < len(rest); {
		stop := start + 1
		for stop < len(rest) && rest[stop].line == rest[start].line {
			stop++
		}
		explaining = explaining || explains[rest[start].core]
		foreign, decides := false, false
		for i := start; i < stop; i++ {
			foreign = foreign || others[i]
			decides = decides || deciding[rest[i].core]
		}
		if foreign && (!explaining || decides) {
			return false
		}
		start = stop
	}
	return !turning(rest, r.spec.Type == TypeChoice)
}

// others marks the words that hold a value other than the one with the key.
func (r *Reader) others(ws []word, key string) map[int]bool {
	out := map[int]bool{}
	for _, o := range r.occurrences(ws) {
		if o.key != key {
			for i := o.from; i < o.to; i++ {
				out[i] = true
			}
		}
	}
	return out
}

// sole reads the only value of an unmarked reply, if it stands as an answer.
func (r *Reader) sole(ws []word, normal string) (Reading, error) {
	found := r.occurrences(ws)
	if len(found) == 0 {
		if refuses(normal) {
			return Reading{}, ErrRefusal
		}
		return Reading{}, ErrNoValue
	}
	for _, o := range found[1:] {
		if o.key == "" || o.key != found[0].key {
			return Reading{}, ErrManyValues
		}
	}
	if found[0].key == "" && found[0].err != nil {
		return Reading{}, found[0].err
	}
	var around []word
	next := 0
	for _, o := range found {
		around = append(around, ws[next:o.from]...)
		next = o.to
	}
	around = append(around, ws[next:]...)
	if !turning(around, false) {
		guessing := slices.ContainsFunc(ws, func(w word) bool { return aims[w.core] })
		for _, o := range found {
			if r.stands(ws, o, guessing) {
				return o.got, o.err
			}
		}
	}
	return Reading{}, ErrAmbiguous
}
