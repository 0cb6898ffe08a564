package persona

import "strconv"

// AppendBackground appends the agent's background to dst: two to four sentences that begin with its name.
func (w *Writer) AppendBackground(dst []byte, agent int) []byte {
	dst = w.appendIntro(dst, agent)
	sentences := 1
	for _, write := range []func([]byte, int) ([]byte, bool){w.appendCareer, w.appendFacts} {
		if next, ok := write(append(dst, ' '), agent); ok {
			dst = next
			sentences++
		}
	}
	hobby, joy := hobbies[w.pick(agent, drawHobby, len(hobbies))], joys[w.pick(agent, drawJoy, len(joys))]
	before := hobbyFrames[w.pick(agent, drawHobbyFrame, len(hobbyFrames))]
	fond := joyFrames[w.pick(agent, drawJoyFrame, len(joyFrames))]
	dst = append(append(append(dst, ' '), before...), hobby...)
	if sentences < 3 && w.pick(agent, drawLength, 2) == 0 {
		dst = append(dst, ". "...)
		at := len(dst)
		dst = append(dst, fond...)
		dst[at] = upper(dst[at])
	} else {
		dst = append(append(dst, ", and "...), fond...)
	}
	return append(append(dst, joy...), '.')
}

// appendIntro says who the agent is: name and, where known, age, nationality and gender.
func (w *Writer) appendIntro(dst []byte, agent int) []byte {
	g := of(w, agent, w.gender, w.genders)
	n := of(w, agent, w.nation, w.nations)
	a := of(w, agent, w.age, w.ages)
	years := 0
	if a.lo > 0 {
		years = a.lo + w.pick(agent, drawAge, a.hi-a.lo+1)
	}
	form := w.pick(agent, drawIntro, 3)
	if g.adult != "" {
		dst = append(dst, introWho[form].before...)
		dst = w.AppendName(dst, agent)
		dst = append(dst, introWho[form].after...)
		return append(w.appendWho(dst, agent, years, a.adjective, g, n), '.')
	}
	aged := years > 0 || a.predicate != ""
	if !aged && n == nil {
		dst = append(dst, introName[form]...)
		return append(w.AppendName(dst, agent), '.')
	}
	dst = append(dst, introFacts[form].before...)
	dst = w.AppendName(dst, agent)
	dst = append(dst, introFacts[form].after...)
	if aged {
		dst = append(dst, "you are "...)
		if years > 0 {
			dst = appendYears(dst, years)
		} else {
			dst = append(dst, a.predicate...)
		}
	}
	if n != nil {
		if aged {
			dst = append(dst, " and "...)
		}
		if w.pick(agent, drawOrigin, 2) == 0 {
			dst = append(append(dst, "you come from "...), n.from...)
		} else {
			dst = append(append(dst, "you are "...), n.adjective...)
		}
	}
	return append(dst, '.')
}

// appendWho appends a noun phrase such as "a 34-year-old Italian woman".
func (w *Writer) appendWho(dst []byte, agent, years int, adjective string, g gender, n *country) []byte {
	noun := g.adult
	if years > 0 && years < adulthood {
		noun = g.minor
	}
	adjectiveOfNation := n != nil && w.pick(agent, drawOrigin, 2) == 0
	switch {
	case years > 0:
		dst = append(dst, numberArticle(years)...)
		dst = append(strconv.AppendInt(dst, int64(years), 10), "-year-old "...)
	case adjective != "":
		dst = append(append(append(dst, article(adjective)...), adjective...), ' ')
	case adjectiveOfNation:
		dst = append(dst, article(n.adjective)...)
	default:
		dst = append(dst, article(noun)...)
	}
	if adjectiveOfNation {
		dst = append(append(dst, n.adjective...), ' ')
	}
	dst = append(dst, noun...)
	if n != nil && !adjectiveOfNation {
		dst = append(append(dst, " from "...), n.from...)
	}
	return dst
}

func appendYears(dst []byte, years int) []byte {
	dst = strconv.AppendInt(dst, int64(years), 10)
	if years == 1 {
		return append(dst, " year old"...)
	}
	return append(dst, " years old"...)
}

// appendCareer says what the agent does and what it has learned, if either is known.
func (w *Writer) appendCareer(dst []byte, agent int) ([]byte, bool) {
	work := w.clause(agent, w.work, w.works, drawWork)
	school := w.clause(agent, w.school, w.schools, drawSchool)
	if work == "" {
		work, school = school, ""
	}
	if work == "" {
		return dst, false
	}
	if school != "" && w.pick(agent, drawOrder, 2) == 1 {
		work, school = school, work
	}
	at := len(dst)
	dst = append(dst, work...)
	dst[at] = upper(dst[at])
	if school != "" {
		dst = append(append(dst, ", and "...), school...)
	}
	return stop(dst), true
}

func (w *Writer) clause(agent int, k known, forms [][]string, what int) string {
	clauses := of(w, agent, k, forms)
	if len(clauses) == 0 {
		return ""
	}
	return clauses[w.pick(agent, what, len(clauses))]
}

// appendFacts states the aspects that are not put into words, if there are any.
func (w *Writer) appendFacts(dst []byte, agent int) ([]byte, bool) {
	first := true
	for aspect := range w.labels {
		c := w.drawn.Category(agent, aspect)
		if c < 0 || c >= len(w.labels[aspect]) || !w.stated[aspect][c] {
			continue
		}
		if first {
			dst = append(dst, factFrames[w.pick(agent, drawFacts, len(factFrames))]...)
			first = false
		} else {
			dst = append(dst, "; "...)
		}
		dst = append(dst, w.labels[aspect][c]...)
	}
	if first {
		return dst, false
	}
	return stop(dst), true
}

// stop ends a sentence, unless its last word has done so already, as "Ph.D." has.
func stop(dst []byte) []byte {
	switch dst[len(dst)-1] {
	case '.', '!', '?':
		return dst
	}
	return append(dst, '.')
}

func upper(c byte) byte {
	if 'a' <= c && c <= 'z' {
		return c - 'a' + 'A'
	}
	return c
}
