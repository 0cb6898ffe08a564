package reading

import "strings"

// before are the words a tag may have before it in its sentence: "So, my final answer: 33".
var before = words(`final my the so thus therefore hence and then ok okay well now here is`)

// tags finds the "Answer:" tags and headings and reads what follows each.
func (r *Reader) tags(ws []word) []candidate {
	var out []candidate
	for i, w := range ws {
		value, found := tagged(ws, i)
		if !found {
			continue
		}
		if value == len(ws) {
			out = append(out, candidate{occurrence: occurrence{from: i, to: i + 1, err: ErrTruncated}})
			continue
		}
		if ws[value].core == string(place) {
			continue // the object that follows is a candidate itself
		}
		if _, again := tagged(ws, value); again {
			continue
		}
		c := candidate{occurrence: r.content(ws, value)}
		c.from, c.trusted = i, !strings.ContainsAny(w.open, `"'`) && r.heads(ws, i)
		out = append(out, c)
	}
	return out
}

// tagged reports whether word i is the word of a tag, and where its value starts.
func tagged(ws []word, i int) (value int, found bool) {
	w := ws[i]
	if w.core != "answer" {
		return 0, false
	}
	if w.has(":") {
		return i + 1, true
	}
	if i+1 < len(ws) && ws[i+1].line == w.line && w.trail == "" {
		next := ws[i+1]
		if next.core == "=" || (next.core == "" || next.core == "is") && next.has(":") {
			return i + 2, true
		}
	}
	if !w.last || w.trail != "" {
		return 0, false
	}
	for j := i; j >= 0 && ws[j].line == w.line; j-- { // a heading
		if !before[ws[j].core] && j != i {
			return 0, false
		}
	}
	return i + 1, true
}

// heads reports whether the words before a tag make it the agent's own answer.
func (r *Reader) heads(ws []word, at int) bool {
	start := at
	for start > 0 && ws[start-1].line == ws[at].line && !ws[start-1].ends() && !ws[start-1].has(",") {
		start--
		if !before[ws[start].core] {
			return false
		}
	}
	if start > 0 && ws[start-1].line == ws[at].line {
		return !r.doubtful(ws, start)
	}
	if start == 0 || ws[start-1].ends() {
		return true
	}
	for i := start - 1; i >= 0 && ws[i].line == ws[start-1].line; i-- {
		if misleading[ws[i].core] || doubts[ws[i].core] {
			return false
		}
	}
	return !ws[start-1].has(":") || leads(ws, start)
}

// content reads the value of a tag, which starts at word at: a value, or a clause that states one.
func (r *Reader) content(ws []word, at int) occurrence {
	stop := at
	for stop < len(ws) && ws[stop].line == ws[at].line {
		stop++
	}
	found := r.occurrences(ws[:stop][at:])
	if len(found) == 0 {
		return occurrence{from: at, to: at + 1, err: ErrNoValue}
	}
	o := found[0]
	o.from, o.to = o.from+at, o.to+at
	if o.key == "" {
		if len(found) > 1 {
			o.err = ErrManyValues
		}
		return o
	}
	end, complete := r.after(ws, o.to)
	prefixed := o.from == at+1 && ws[at].core == "option"
	// A whole number with a point before more text opens a list: "Answer:\n1. First …".
	listed := ws[o.to-1].has(".") && !ws[o.to-1].last && (ws[at].first || ws[o.from].core == "1") && r.spec.Type != TypeChoice
	switch {
	case listed:
		o.key, o.err = "", ErrAmbiguous
	case !complete && len(found) > 1:
		o.key, o.err = "", ErrManyValues
	case !complete || o.from != at && !prefixed && !r.stated(ws[at:], o.from-at, false):
		o.key, o.err = "", ErrAmbiguous
	}
	o.to = end
	return o
}

// announced reports whether the words before an object, on its line or the one before, let it be the answer.
func (r *Reader) announced(ws []word, at int) bool {
	if at == 0 || ws[at-1].ends() {
		return true
	}
	if ws[at].first {
		return leads(ws, at)
	}
	if ws[at-1].has(":") {
		return !r.doubtful(ws, at) && leads(ws, at)
	}
	for i := at - 1; i >= 0 && ws[i].line == ws[at].line && !ws[i].ends(); i-- {
		if !saying[ws[i].core] && !before[ws[i].core] {
			return false
		}
	}
	return true
}
