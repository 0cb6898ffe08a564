package formula

import (
	"fmt"
	"strings"

	"github.com/myriad-sim/myriad/pkg/environment/value"
)

// Template is a text with expressions in double braces: "The pot holds {{state.pot}}." It is immutable and safe for
// concurrent use.
type Template struct {
	texts    []string // one more than programs, around them
	programs []*Program
}

// Parse reads a template. The error is ErrSyntax.
func Parse(source string, args []string) (*Template, error) {
	if len(source) > maxSource {
		return nil, fmt.Errorf("%w: a text longer than %d bytes", ErrSyntax, maxSource)
	}
	t := &Template{}
	for rest := source; ; {
		text, after, found := strings.Cut(rest, "{{")
		t.texts = append(t.texts, text)
		if !found {
			return t, nil
		}
		inside, after, found := strings.Cut(after, "}}")
		if !found {
			return nil, fmt.Errorf("%w: {{ without }} after %.40q", ErrSyntax, text)
		}
		p, err := Compile(inside, args)
		if err != nil {
			return nil, fmt.Errorf("{{%.40s}}: %w", inside, err)
		}
		t.programs = append(t.programs, p)
		rest = after
	}
}

// Render writes the text. Data stands in it as JSON. Errors are those of Program.Eval.
func (t *Template) Render(s Scope) (string, error) {
	var b strings.Builder
	for i, text := range t.texts {
		b.WriteString(text)
		if i == len(t.programs) {
			break
		}
		v, err := t.programs[i].Eval(s)
		if err != nil {
			return "", err
		}
		c, err := value.Content(v)
		if err != nil {
			return "", fmt.Errorf("%w: %w", ErrRun, err)
		}
		b.WriteString(c.String())
		if b.Len() > maxCost {
			return "", fmt.Errorf("%w: a text of %d bytes", ErrCost, b.Len())
		}
	}
	return b.String(), nil
}
