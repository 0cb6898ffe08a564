package template

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	texttemplate "text/template"
	"text/template/parse"

	"github.com/myriad-sim/myriad/internal/expression"
)

const maxSource = 256 << 10 // bytes

// Template is a compiled text. It is immutable and safe for concurrent use.
type Template struct {
	src   string
	refs  []ref
	plan  []piece
	agent bool
}

// Compile checks and plans a text. Every error is a *expression.CompileError. Names are checked against sc: .vars.X,
// .world.X, .persona.X, and question ids after .self.last and .answers.
func Compile(src string, sc expression.Scope) (*Template, error) {
	if len(src) > maxSource {
		return nil, &expression.CompileError{Msg: fmt.Sprintf("text longer than %d bytes", maxSource)}
	}
	tree, err := parseSource(src)
	if err != nil {
		return nil, &expression.CompileError{Offset: locate(src, err), Msg: parseMessage(err)}
	}
	if tree.Root == nil {
		return &Template{src: src}, nil
	}
	c := &checker{scope: sc, lookups: map[*parse.PipeNode]int{}}
	if err := c.list(tree.Root, place{}); err != nil {
		return nil, err
	}
	p := &planner{refs: c.refs, lookups: c.lookups, tree: tree, base: texttemplate.New("").Funcs(funcs())}
	plan, err := p.list(tree.Root.Nodes)
	if err != nil {
		return nil, &expression.CompileError{Msg: err.Error()}
	}
	return &Template{src: src, refs: c.refs, plan: plan, agent: p.perAgent(tree.Root)}, nil
}

// Source returns the text the template was compiled from.
func (t *Template) Source() string { return t.src }

// PerAgent reports whether the text names anything of an agent's own. A Bound may still be the same for all agents,
// when those names stand in a branch that is not taken this round.
func (t *Template) PerAgent() bool { return t.agent }

var (
	errDefine     = errors.New("define and block are not supported")
	definePattern = regexp.MustCompile(`{{-?\s*(define|block)\b`)
)

func parseSource(src string) (*parse.Tree, error) {
	tree := parse.New("text")
	tree.Mode = parse.SkipFuncCheck // the checker does it, with a position
	trees := map[string]*parse.Tree{}
	if _, err := tree.Parse(src, "", "", trees); err != nil {
		return nil, err
	}
	for name := range trees {
		if name != "text" {
			return nil, errDefine
		}
	}
	return tree, nil
}

// parseMessage drops the name and line that text/template puts first.
func parseMessage(err error) string {
	parts := strings.SplitN(err.Error(), ": ", 3)
	return strings.TrimSpace(parts[len(parts)-1])
}

const (
	maxLocate  = 200              // actions looked at to find the position of a parse error
	unfinished = "unexpected EOF" // what text/template says of a missing end
)

// locate finds where a parse error is. text/template only tells the line, so the source is parsed up to the end of
// each action in turn: the first to bring the same message holds the mistake.
func locate(src string, err error) int {
	if at := definePattern.FindStringIndex(src); at != nil && errors.Is(err, errDefine) {
		return at[0]
	}
	want := parseMessage(err)
	end, whole := 0, 0 // whole: how far the source is complete
	for range maxLocate {
		i := strings.Index(src[end:], "}}")
		if i < 0 {
			break
		}
		start := end
		end += i + 2
		_, err := parseSource(src[:end])
		if err == nil {
			whole = end
		} else if parseMessage(err) == want && want != unfinished {
			if open := strings.LastIndex(src[start:end], "{{"); open >= 0 {
				return start + open
			}
			return start
		}
	}
	if want == unfinished { // what was opened first and never ended
		if open := strings.Index(src[whole:], "{{"); open >= 0 {
			return whole + open
		}
	}
	if open := strings.LastIndex(src, "{{"); open >= 0 && !strings.Contains(src[open:], "}}") {
		return open
	}
	return len(src)
}
