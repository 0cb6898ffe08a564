package scenario

import (
	"errors"
	"fmt"
	"strings"

	"github.com/myriad-sim/myriad/internal/expression"
	"github.com/myriad-sim/myriad/internal/template"
)

// dryRun plays two rounds with made-up values, to find what would only fail when it is too late: a template or an
// expression that reads a part of the world before it has a value. The world is empty before the first update, and so
// is previous for one round more.
func (r *resolver) dryRun() {
	state := make(map[string]float64, len(r.s.World))
	for _, u := range r.s.World {
		state[u.Key] = 1
	}
	for _, round := range []dryRound{{number: 1, after: state}, {number: 2, world: state, previous: nil, after: state}} {
		if round.number > r.s.Rounds {
			return
		}
		r.dryTemplates(round)
		r.dryExpressions(round)
	}
}

// dryRound is what a round sees: the world before it, the world one round earlier, and the world after it.
type dryRound struct {
	number                 int
	world, previous, after map[string]float64
}

func (r *resolver) dryTemplates(round dryRound) {
	shared := template.Shared{
		Vars: r.s.Vars, World: round.world, Previous: round.previous,
		Round: round.number, Rounds: r.s.Rounds, Size: r.s.Population.Size,
	}
	for i, b := range r.s.Blocks {
		if b.System != nil {
			r.dryTemplate(r.doc.Agents.rows[i].value.System.at, b.System, shared, 0)
		}
	}
	for i, q := range r.s.Turn {
		r.dryTemplate(r.doc.Turn.items[i].Ask.at, q.Ask, shared, i)
		for j, a := range q.Attach {
			_, src := r.doc.Turn.items[i].Attach.items[j].source()
			r.dryTemplate(src.at, a.URL, shared, i)
			r.dryAttachment(src.at, a, shared, i)
		}
	}
}

// dryAttachment checks that an attachment has a URL for everyone, as far as personas tell.
func (r *resolver) dryAttachment(n *node, a Attachment, shared template.Shared, asked int) {
	bound, err := a.URL.Bind(shared)
	if err != nil {
		return // dryTemplate has said so
	}
	agent := &dryAgent{s: r.s, round: shared.Round, asked: asked}
	for _, agent.persona = range r.dryPersonas() {
		url, err := bound.Append(nil, agent)
		if err == nil && len(url) > 0 {
			err = a.Check(string(url))
		}
		switch {
		case errors.Is(err, ErrAttachment):
			r.at(n, "%v", err)
			return
		case err != nil:
			return // dryTemplate has said so
		}
	}
}

// dryTemplate renders a template as the first agent would see it. asked is how many questions come before it.
func (r *resolver) dryTemplate(n *node, t *template.Template, shared template.Shared, asked int) {
	agent := &dryAgent{s: r.s, round: shared.Round, asked: asked}
	bound, err := t.Bind(shared)
	if err == nil {
		_, err = bound.Append(nil, agent)
	}
	if err != nil {
		r.dryError(n, shared.Round, err)
	}
	if agent.early != "" {
		name := ".answers." + agent.early
		r.inside(n, nameOffset(n.text, name), name+" is asked only later in the turn", "")
	}
}

func (r *resolver) dryExpressions(round dryRound) {
	before := expression.Env{
		Vars: r.s.Vars, World: round.world, Previous: round.previous, Round: round.number, Size: r.s.Population.Size,
		Answers: map[string]expression.Column{}, Self: map[string]float64{"number": 0},
	}
	for _, q := range r.s.Turn {
		before.Answers[q.ID] = dryColumn{}
		if round.number > 1 {
			before.Self[q.ID] = 1
		}
	}
	for i, q := range r.s.Turn {
		doc := r.doc.Turn.items[i].Answer
		r.dryExpression(doc.Min, q.Answer.Min, before)
		r.dryExpression(doc.Max, q.Answer.Max, before)
	}
	r.dryPlayers(before)
	if m := r.doc.Missing; m != nil {
		r.dryExpression(m.Then.value, r.s.Missing.Value, before)
	}
	for i, u := range r.s.World {
		r.dryExpression(r.doc.Update.World.rows[i].value, u.Expr, before)
	}
	closed := before
	closed.World, closed.Previous = round.after, round.world
	r.dryExpression(r.doc.Stop, r.s.Stop, closed)
	if r.s.Report.Nearest != nil {
		r.dryExpression(r.doc.Report.Winners.Nearest, r.s.Report.Nearest, closed)
	}
}

// dryExpression runs an expression. Made-up values may well give no finite number, so only a name without a value
// counts as a problem.
func (r *resolver) dryExpression(src source, p *expression.Program, env expression.Env) {
	if p == nil {
		return
	}
	if _, err := p.Any(env); errors.Is(err, expression.ErrNoValue) {
		r.dryError(src.at, env.Round, err)
	}
}

// dryError reports that a template or expression fails in a round, pointing at the name without a value.
func (r *resolver) dryError(n *node, round int, err error) {
	if ce, ok := errors.AsType[*expression.CompileError](err); ok {
		r.inside(n, ce.Offset, fmt.Sprintf("fails in round %d: %s", round, ce.Msg), ce.Suggestion)
		return
	}
	name := strings.TrimSuffix(err.Error(), ": "+expression.ErrNoValue.Error())
	if i := strings.LastIndex(name, ": "); i >= 0 {
		name = name[i+2:]
	}
	if !errors.Is(err, expression.ErrNoValue) {
		r.at(n, "fails in round %d: %v", round, err)
		return
	}
	msg := fmt.Sprintf("%s has no value in round %d; guard it with a condition on the round", name, round)
	r.inside(n, nameOffset(n.text, name), msg, "")
}

// nameOffset finds a whole name in a source text; 0 when it is not there.
func nameOffset(text, name string) int {
	for from := 0; ; {
		i := strings.Index(text[from:], name)
		if i < 0 {
			return 0
		}
		i += from
		if i == 0 || !strings.ContainsRune(nameChars, rune(text[i-1])) {
			return i
		}
		from = i + 1
	}
}

const nameChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_."
