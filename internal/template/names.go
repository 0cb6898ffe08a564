package template

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template/parse"

	"github.com/myriad-sim/myriad/internal/expression"
)

var rootNames = []string{"vars", "world", "previous", "round", "rounds", "size", "persona", "self", "answers"}

// laterNames are kept by the scenario grammar for parts that do not exist yet.
var laterNames = []string{"group", "groups", "partner", "neighbours"}

// dotted is a name as it stands in the source: its words and where each begins.
type dotted struct {
	words []string
	at    []parse.Pos
}

func (d dotted) add(word string, at parse.Pos) dotted {
	return dotted{append(slices.Clone(d.words), word), append(slices.Clone(d.at), at)}
}

func (d dotted) String() string { return "." + strings.Join(d.words, ".") }

// fieldWords gives the words of idents that begin at pos. text/template places a name of several words at the second.
func fieldWords(idents []string, pos parse.Pos, firstLen int) dotted {
	var d dotted
	if len(idents) > 1 {
		pos -= parse.Pos(firstLen)
	}
	for i, word := range idents {
		if i == 0 && strings.HasPrefix(word, "$") {
			pos += parse.Pos(firstLen)
			continue
		}
		d.words, d.at = append(d.words, word), append(d.at, pos+1) // after the point
		pos += parse.Pos(len(word) + 1)
	}
	return d
}

func errAt(pos parse.Pos, format string, args ...any) *expression.CompileError {
	return &expression.CompileError{Offset: int(pos), Msg: fmt.Sprintf(format, args...)}
}

func unknown(pos parse.Pos, full, name string, known []string) error {
	err := errAt(pos, "unknown name %s", full)
	if len(known) == 0 {
		err.Msg += ": there are none here"
	}
	err.Suggestion = expression.Nearest(name, known)
	return err
}

// group describes a root whose next word is one of a list.
func (c *checker) group(d dotted) (r root, names []string, words int, ok bool) {
	questions := slices.Sorted(maps.Keys(c.scope.Questions))
	switch {
	case d.words[0] == "vars":
		return rootVars, slices.Sorted(maps.Keys(c.scope.Vars)), 1, true
	case d.words[0] == "world":
		return rootWorld, c.scope.World, 1, true
	case d.words[0] == "persona":
		return rootPersona, c.scope.Persona, 1, true
	case d.words[0] == "answers":
		return rootAnswers, questions, 1, true
	case len(d.words) > 1 && d.words[0] == "previous" && d.words[1] == "world":
		return rootPrevious, c.scope.World, 2, true
	case len(d.words) > 1 && d.words[0] == "self" && d.words[1] == "last":
		return rootLast, questions, 2, true
	}
	return 0, nil, 0, false
}

// resolve finds what a name stands for: one value, or a group (ref.all is set).
func (c *checker) resolve(d dotted) (ref, error) {
	first := d.words[0]
	if slices.Contains(laterNames, first) {
		return ref{}, errAt(d.at[0], ".%s is not yet supported", first)
	}
	if !slices.Contains(rootNames, first) {
		return ref{}, unknown(d.at[0], "."+first, first, rootNames)
	}
	out := ref{full: d.String()}
	used := 1
	if r, names, words, ok := c.group(d); ok {
		out.root = r
		if len(d.words) == words {
			out.all = append([]string{}, names...)
			return out, nil
		}
		name := d.words[words]
		if !slices.Contains(names, name) {
			return ref{}, unknown(d.at[words], dotted{words: d.words[:words+1]}.String(), name, names)
		}
		out.name, used = name, words+1
	} else {
		switch first {
		case "previous":
			if len(d.words) == 1 {
				return ref{}, errAt(d.at[0], "write .previous.world.<name>")
			}
			return ref{}, unknown(d.at[1], ".previous."+d.words[1], d.words[1], []string{"world"})
		case "self":
			if len(d.words) == 1 {
				return ref{}, errAt(d.at[0], "write .self.number, .self.block or .self.last.<question>")
			}
			own := map[string]root{"number": rootNumber, "block": rootBlock}
			r, ok := own[d.words[1]]
			if !ok {
				return ref{}, unknown(d.at[1], ".self."+d.words[1], d.words[1], []string{"number", "block", "last"})
			}
			out.root, used = r, 2
		default:
			out.root = map[string]root{"round": rootRound, "rounds": rootRounds, "size": rootSize}[first]
		}
	}
	if len(d.words) > used {
		return ref{}, errAt(d.at[used], "%s has no parts", dotted{words: d.words[:used]})
	}
	return out, nil
}
