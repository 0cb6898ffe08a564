package reading

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// choice is one of the declared choices, cut into words as a reply is.
type choice struct {
	text      string
	words     []word
	key       string // words joined: equal for choices that cannot be told apart in prose
	exactOnly bool   // found only when the reply is nothing but the choice as declared
}

func newChoice(text string) choice {
	c := choice{text: text}
	normal, err := normalise(text)
	if err == nil {
		c.words = split(normal)
	}
	cores := make([]string, len(c.words))
	for i, w := range c.words {
		cores[i] = w.core
	}
	c.key = strings.Join(cores, " ")
	if c.key == "" {
		c.key, c.exactOnly = text, true
	}
	return c
}

// at returns the number of words of the choice if they stand at the start of ws, else 0.
func (c choice) at(ws []word) int {
	if c.exactOnly || len(ws) < len(c.words) {
		return 0
	}
	for i, w := range c.words {
		if ws[i].core != w.core || i+1 < len(c.words) && ws[i].ends() != w.ends() {
			return 0
		}
	}
	// A lone letter is also an article or a pronoun, so in prose its case counts.
	if len(c.words) == 1 && utf8.RuneCountInString(c.text) == 1 && ws[0].raw != c.words[0].raw {
		return 0
	}
	return len(c.words)
}

// mentions finds the choices named in the words; of overlapping ones the longest.
func (r *Reader) mentions(ws []word) []occurrence {
	var out []occurrence
	for i := 0; i < len(ws); i++ {
		best := occurrence{}
		for n, c := range r.choices {
			if width := c.at(ws[i:]); width > best.to-best.from {
				best = occurrence{from: i, to: i + width, key: c.key, got: Reading{Choice: n, Text: c.text}}
			}
		}
		if best.key != "" {
			out = append(out, best)
			i = best.to - 1
		}
	}
	return out
}

// exactChoice reads text that is a choice and nothing else: as declared, or in another case when that is unambiguous.
func (r *Reader) exactChoice(text string) (Reading, bool) {
	for i := range r.choices {
		if r.choices[i].text == text {
			return Reading{Choice: i, Text: text}, true
		}
	}
	for i := range r.choices {
		if c := &r.choices[i]; !c.exactOnly && strings.EqualFold(c.text, text) {
			return Reading{Choice: i, Text: c.text}, true
		}
	}
	return Reading{}, false
}

// noneOf is the error for text that is not one of the choices.
func (r *Reader) noneOf(text string) error {
	return fmt.Errorf("%w: %q is not one of %s", ErrNoValue, clip(text), r.listed())
}

// listed writes the choices as a quoted list.
func (r *Reader) listed() string {
	quoted := make([]string, len(r.choices))
	for i, c := range r.choices {
		quoted[i] = `"` + c.text + `"`
	}
	return strings.Join(quoted, ", ")
}
