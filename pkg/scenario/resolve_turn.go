package scenario

import (
	"strings"

	"github.com/myriad-sim/myriad/internal/expression"
)

func (r *resolver) turn() {
	first := map[string]*node{}
	for _, q := range r.doc.Turn.items {
		if q.ID.set() {
			r.checkName(q.ID.at, q.ID.v)
			if was := first[q.ID.v]; was != nil {
				r.at(q.ID.at, "there are two questions called %q; the first is on line %d", clipped(q.ID.v), was.line)
			} else {
				first[q.ID.v] = q.ID.at
			}
		}
		out := Question{ID: q.ID.v, Ask: r.template(q.Ask), Attach: r.attachments(q.Attach.items)}
		if q.Answer != nil {
			out.Answer = r.answer(q.Answer)
		}
		r.s.Turn = append(r.s.Turn, out)
	}
}

func (r *resolver) answer(doc *answerDoc) AnswerSpec {
	a := AnswerSpec{
		Type:       doc.Type.v,
		Extract:    doc.Extract.or("auto"),
		MaxRetries: doc.MaxRetries.integer(2),
	}
	switch a.Type {
	case TypeNumber:
		a.Min = r.compile(doc.Min, r.s.scope, expression.UseBound)
		a.Max = r.compile(doc.Max, r.s.scope, expression.UseBound)
		a.Decimals = doc.Decimals.integer(6)
		a.OutOfRange = doc.OutOfRange.or("reask")
		r.checkBounds(doc, a)
	case TypeLikert:
		a.Points = doc.Points.integer(5)
	case TypeChoice:
		a.Choices = r.choices(doc)
	case TypeJSON:
		a.Schema = doc.Schema.v
	case TypeCode:
		a.Language = r.language(doc)
	case TypeTagged:
		a.Tags = r.tags(doc)
	}
	return a
}

// checkBounds refuses bounds that leave no answer, as far as vars alone tell.
func (r *resolver) checkBounds(doc *answerDoc, a AnswerSpec) {
	if doc.OutOfRange.v == "clamp" && !doc.Min.set() && !doc.Max.set() {
		r.at(doc.OutOfRange.at, "clamp needs min or max")
	}
	lo, okLo := r.constant(a.Min, doc.Min)
	hi, okHi := r.constant(a.Max, doc.Max)
	if okLo && okHi && lo > hi {
		r.at(doc.Max.at, "max (%s) is below min (%s)", plain(hi), plain(lo))
	}
}

// constant evaluates a program that reads nothing but vars; ok is false for any other.
func (r *resolver) constant(p *expression.Program, src source) (v float64, ok bool) {
	if p == nil || p.Reads("world") || p.Reads("previous") || p.Reads("round") {
		return 0, false
	}
	v, err := p.Number(expression.Env{Vars: r.s.Vars})
	if err != nil {
		r.at(src.at, "%v", err)
		return 0, false
	}
	return v, true
}

func (r *resolver) choices(doc *answerDoc) []string {
	var out []string
	seen := map[string]bool{}
	for _, c := range doc.Choices.items {
		folded := strings.ToLower(strings.TrimSpace(c.v))
		if c.set() && seen[folded] {
			r.at(c.at, "choice %q is here twice", clipped(c.v))
		}
		seen[folded] = true
		out = append(out, c.v)
	}
	if len(out) == 1 {
		r.at(doc.Choices.at, "a choice needs at least two choices")
	}
	return out
}

func (r *resolver) game() {
	doc := r.doc.Game
	if doc == nil {
		return
	}
	facts := expression.Scope{Vars: r.s.Vars}
	g := &Game{
		Kind:     doc.Kind.v,
		Question: doc.Question.v,
		P:        r.gameFact(doc.P, facts),
		Low:      r.gameFact(doc.Low, facts),
		High:     r.gameFact(doc.High, facts),
	}
	if doc.Offset.set() {
		g.Offset = r.gameFact(doc.Offset, facts)
	} else {
		g.Offset, _ = expression.Compile("0", facts, expression.UseBound)
	}
	r.s.Game = g
	if q := r.gameQuestion(doc, g); q != nil {
		r.gameRange(doc, g, q)
	}
}

// gameFact compiles a fact of the game: over vars, the same in all rounds.
func (r *resolver) gameFact(src source, facts expression.Scope) *expression.Program {
	p := r.compile(src, facts, expression.UseBound)
	if p != nil && (p.Reads("world") || p.Reads("previous") || p.Reads("round")) {
		r.at(src.at, "a fact of the game may use vars only")
		return nil
	}
	return p
}

// gameQuestion finds the question a game is about.
func (r *resolver) gameQuestion(doc *gameDoc, g *Game) *Question {
	for i, q := range r.s.Turn {
		if q.Answer.Type == TypeNumber && (g.Question == "" || g.Question == q.ID) {
			g.Question = q.ID
			return &r.s.Turn[i]
		}
	}
	switch _, exists := r.s.scope.Questions[g.Question]; {
	case !doc.Question.set():
		r.at(doc.at, "a game needs a number question, and there is none")
	case exists:
		r.at(doc.Question.at, "question %q does not ask for a number", clipped(g.Question))
	default:
		r.suggest(doc.Question.at, r.nearestQuestion(g.Question), "there is no question %q", clipped(g.Question))
	}
	return nil
}

// gameRange checks that the answers of the game are answers to its question.
func (r *resolver) gameRange(doc *gameDoc, g *Game, q *Question) {
	r.constant(g.P, doc.P)
	r.constant(g.Offset, doc.Offset)
	lo, okLo := r.constant(g.Low, doc.Low)
	hi, okHi := r.constant(g.High, doc.High)
	if okLo && okHi && lo >= hi {
		r.at(doc.High.at, "high (%s) must be above low (%s)", plain(hi), plain(lo))
	}
	least, okLeast := r.constant(q.Answer.Min, source{})
	most, okMost := r.constant(q.Answer.Max, source{})
	if okLo && okLeast && lo < least {
		r.at(doc.Low.at, "low (%s) is below the least answer to %q (%s)", plain(lo), q.ID, plain(least))
	}
	if okHi && okMost && hi > most {
		r.at(doc.High.at, "high (%s) is above the greatest answer to %q (%s)", plain(hi), q.ID, plain(most))
	}
}

func (r *resolver) nearestQuestion(id string) string {
	ids := make([]string, 0, len(r.s.Turn))
	for _, q := range r.s.Turn {
		ids = append(ids, q.ID)
	}
	return expression.Nearest(id, ids)
}
