package scenario

import (
	"errors"
	"maps"
	"regexp"
	"slices"

	"github.com/myriad-sim/myriad/internal/expression"
	"github.com/myriad-sim/myriad/internal/template"
)

// resolver turns a document into a Scenario: it fills in defaults, compiles, and checks what the parts mean to each
// other. It works on documents with problems too, so that all of them are found in one go.
type resolver struct {
	*problems
	doc *document
	s   *Scenario
}

func (r *resolver) resolve() {
	r.header()
	r.vars()
	r.population()
	r.scope()
	r.turn()
	r.models()
	r.game()
	r.blocks()
	r.environments()
	r.budget()
	r.memory()
	r.missing()
	r.world()
	r.report()
}

var titlePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func (r *resolver) header() {
	s, doc := r.s, r.doc
	s.Version = doc.Version.integer(1)
	s.Name, s.Description = doc.Name.v, doc.Description.v
	if doc.Name.set() && !titlePattern.MatchString(s.Name) {
		r.at(doc.Name.at, "%q is not a usable name: letters, digits, _ - and ., starting with a letter or digit", clipped(s.Name))
	}
	if doc.Seed.v != nil {
		s.Seed = doc.Seed.v.Uint64()
	}
	s.Rounds = doc.Rounds.integer(1)
}

func (r *resolver) vars() {
	r.s.Vars = make(expression.Vars, len(r.doc.Vars.rows))
	for _, row := range r.doc.Vars.rows {
		r.s.Vars[row.key.text] = row.value.v
	}
}

// scope collects what templates and expressions may name.
func (r *resolver) scope() {
	sc := expression.Scope{Vars: r.s.Vars, Questions: map[string]string{}, Choices: map[string][]string{}}
	if u := r.doc.Update; u != nil {
		sc.World = u.World.names()
	}
	for _, d := range r.s.Population.Distributions {
		sc.Persona = append(sc.Persona, d.Name)
	}
	if r.s.Population.Generator != "none" {
		sc.Persona = append(sc.Persona, personaBackground, personaName)
	}
	for _, q := range r.doc.Turn.items {
		if q.ID.set() && q.Answer != nil && q.Answer.Type.set() {
			sc.Questions[q.ID.v] = q.Answer.Type.v
			for _, c := range q.Answer.Choices.items {
				sc.Choices[q.ID.v] = append(sc.Choices[q.ID.v], c.v)
			}
		}
	}
	r.s.scope = sc
}

// compile compiles an expression; nil when it is absent or wrong.
func (r *resolver) compile(src source, sc expression.Scope, use expression.Use) *expression.Program {
	if !src.set() {
		return nil
	}
	program, err := expression.Compile(src.at.text, sc, use)
	if err != nil {
		r.compileError(src.at, err)
		return nil
	}
	return program
}

// template compiles a template; nil when it is absent or wrong.
func (r *resolver) template(src prose) *template.Template {
	if !src.set() {
		return nil
	}
	t, err := template.Compile(src.at.text, r.s.scope)
	if err != nil {
		r.compileError(src.at, err)
		return nil
	}
	return t
}

// compileError reports an error of a template or expression where it stands in the file.
func (r *resolver) compileError(n *node, err error) {
	if ce, ok := errors.AsType[*expression.CompileError](err); ok {
		r.inside(n, ce.Offset, ce.Msg, ce.Suggestion)
		return
	}
	r.at(n, "%v", err)
}

func (r *resolver) memory() {
	m := r.doc.Memory
	if m == nil {
		return
	}
	r.s.Memory = Memory{Turns: m.Turns.turns, Question: true, Answer: true}
	if m.Keep.set() {
		keep := make([]string, len(m.Keep.items))
		for i, k := range m.Keep.items {
			keep[i] = k.v
		}
		r.s.Memory.Question = slices.Contains(keep, "question")
		r.s.Memory.Answer = slices.Contains(keep, "answer")
	}
}

func (r *resolver) missing() {
	r.s.Missing = Missing{Then: "exclude", Below: "pause"}
	m := r.doc.Missing
	if m == nil {
		return
	}
	if m.Then.kind != "" {
		r.s.Missing.Then = m.Then.kind
	}
	r.s.Missing.Value = r.compile(m.Then.value, r.s.scope, expression.UseBound)
	r.s.Missing.MinValid = m.MinValid.float()
	r.s.Missing.Below = m.Below.or("pause")
	if m.Then.kind == "value" && !slices.Contains(slices.Collect(maps.Values(r.s.scope.Questions)), TypeNumber) {
		r.at(m.Then.at, "a value stands in for number answers only, and no question asks for a number")
	}
}

func (r *resolver) world() {
	if u := r.doc.Update; u != nil {
		for _, row := range u.World.rows {
			program := r.compile(row.value, r.s.scope, expression.UseUpdate)
			r.s.World = append(r.s.World, WorldUpdate{Key: row.key.text, Expr: program})
		}
	}
	r.s.Stop = r.compile(r.doc.Stop, r.s.scope, expression.UseStop)
}

func (r *resolver) report() {
	if r.doc.Report == nil || r.doc.Report.Winners == nil {
		return
	}
	w := r.doc.Report.Winners
	r.s.Report.Nearest = r.compile(w.Nearest, r.s.scope, expression.UseWinner)
	r.s.Report.HasWithin = w.Within.set()
	r.s.Report.Within = w.Within.float()
	if !slices.Contains(slices.Collect(maps.Values(r.s.scope.Questions)), TypeNumber) {
		r.at(w.at, "winners need a number question, and there is none")
	}
}
