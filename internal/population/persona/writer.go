package persona

import (
	"strings"

	"github.com/myriad-sim/myriad/internal/rng"
)

// Aspect is one aspect of a population, such as education, and its categories.
type Aspect struct {
	Name       string
	Categories []string
}

// Drawn says which category of which aspect an agent has, as indexes.
type Drawn interface {
	Category(agent, aspect int) int
}

// Writer writes about the agents of one population. It is immutable and safe for concurrent use.
type Writer struct {
	key   rng.Key
	drawn Drawn

	// For the aspects put into words: which aspect it is, and what is known of each category. A category that could not
	// be read has a zero entry.
	age, gender, nation, work, school known
	ages                              []age
	genders                           []gender
	nations                           []*country
	works, schools                    [][]string // clauses to choose from

	// labels[aspect][category] is "aspect: category"; stated[aspect][category] says that it is written out like that.
	labels [][]string
	stated [][]bool
}

// known is the index of an aspect that is put into words, -1 if the population has none.
type known int

// Things to be drawn for an agent. The values are part of every text: append only.
const (
	drawCulture = iota
	drawNameGender
	drawGiven
	drawFamily
	drawAge
	drawIntro
	drawOrigin
	drawWork
	drawSchool
	drawOrder
	drawFacts
	drawHobby
	drawHobbyFrame
	drawJoy
	drawJoyFrame
	drawLength
)

// NewWriter prepares to write about a population. The aspects are those that drawn counts.
func NewWriter(seed uint64, aspects []Aspect, drawn Drawn) *Writer {
	w := &Writer{
		key: rng.NewKey(seed, "population/persona"), drawn: drawn,
		age: -1, gender: -1, nation: -1, work: -1, school: -1,
	}
	for i, a := range aspects {
		labels, stated := make([]string, len(a.Categories)), make([]bool, len(a.Categories))
		label := spaced(a.Name)
		for j, c := range a.Categories {
			labels[j], stated[j] = label+": "+spaced(c), true
		}
		w.labels, w.stated = append(w.labels, labels), append(w.stated, stated)
		w.read(i, a, stated)
	}
	return w
}

// read puts the categories of an aspect into words, if it is one of the five and the first of its kind, and clears
// stated for those it understands.
func (w *Writer) read(aspect int, a Aspect, stated []bool) {
	claim := func(k *known) bool {
		free := *k < 0
		if free {
			*k = known(aspect)
		}
		return free
	}
	each := func(understand func(category string) bool) {
		for i, c := range a.Categories {
			stated[i] = !understand(c)
		}
	}
	switch kindOf(a.Name) {
	case "age":
		if claim(&w.age) {
			each(func(c string) bool { g, ok := readAge(c); w.ages = append(w.ages, g); return ok })
		}
	case "gender":
		if claim(&w.gender) {
			each(func(c string) bool { g := readGender(c); w.genders = append(w.genders, g); return g.adult != "" })
		}
	case "nationality":
		if claim(&w.nation) {
			each(func(c string) bool { n := readCountry(c); w.nations = append(w.nations, n); return n != nil })
		}
	case "occupation":
		if claim(&w.work) {
			each(func(c string) bool { r := readWork(c); w.works = append(w.works, r); return r != nil })
		}
	case "education":
		if claim(&w.school) {
			each(func(c string) bool { r := readSchool(c); w.schools = append(w.schools, r); return r != nil })
		}
	}
}

// kindOf tells the five aspects that are put into words from all others, under their common names.
func kindOf(name string) string {
	switch strings.ToLower(spaced(name)) {
	case "age", "age group", "age range", "age band":
		return "age"
	case "gender", "sex":
		return "gender"
	case "nationality", "country", "citizenship", "country of origin":
		return "nationality"
	case "occupation", "job", "profession", "employment", "work":
		return "occupation"
	case "education", "education level", "level of education", "highest education", "schooling", "degree":
		return "education"
	}
	return ""
}

// spaced makes an identifier readable.
func spaced(s string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(s, "_", " ")), " ")
}

// pick draws a number below n for an agent.
func (w *Writer) pick(agent, what, n int) int {
	return w.key.IntN(n, uint64(agent), uint32(what), 0, 0) //nolint:gosec // agents are numbered from 0
}

// of is what is known about the agent in one of the five aspects; the zero T if nothing is.
func of[T any](w *Writer, agent int, k known, forms []T) T {
	var none T
	if k < 0 {
		return none
	}
	c := w.drawn.Category(agent, int(k))
	if c < 0 || c >= len(forms) {
		return none
	}
	return forms[c]
}
