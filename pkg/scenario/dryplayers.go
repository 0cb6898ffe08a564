package scenario

import (
	"errors"
	"maps"
	"slices"

	"github.com/myriad-sim/myriad/internal/expression"
)

// dryPlayers tries the expressions of players on every category of every distribution, one at a time.
func (r *resolver) dryPlayers(env expression.Env) {
	for _, row := range r.doc.Models.rows {
		if env.Round == 1 {
			r.dryTau(row.value.Tau, env)
		}
		for _, answer := range row.value.Answers.rows {
			r.dryAnswer(answer.key.text, answer.value, env)
		}
	}
}

// dryTau checks that tau is a number from 0 for everyone.
func (r *resolver) dryTau(src source, env expression.Env) {
	if !src.set() {
		return
	}
	p := r.compile(src, r.s.scope, expression.UsePersona)
	for _, env.Persona = range r.dryPersonas() {
		tau, err := p.Number(env)
		switch {
		case err != nil:
			r.at(src.at, "%v", err)
			return
		case tau < 0:
			r.at(src.at, "\"tau\" must be at least 0; it is %s for %v", plain(tau), env.Persona)
			return
		}
	}
}

// dryAnswer checks that a scripted answer is an answer to its question for everyone.
func (r *resolver) dryAnswer(id string, src source, env expression.Env) {
	p := r.compile(src, r.s.scope, expression.UseScripted)
	a := r.s.Turn[r.s.QuestionIndex(id)].Answer
	for _, env.Persona = range r.dryPersonas() {
		v, err := p.Any(env)
		said, isText := v.(string)
		switch {
		case errors.Is(err, expression.ErrNoValue):
			r.dryError(src.at, env.Round, err)
			return
		case errors.Is(err, expression.ErrArgument), errors.Is(err, expression.ErrType):
			r.at(src.at, "%v", err)
			return
		case !isText:
		case a.Type == TypeNumber || a.Type == TypeLikert:
			r.at(src.at, "this gives text (%q), but %q asks for a number", clipped(said), id)
			return
		case a.Type == TypeChoice && !slices.Contains(a.Choices, said):
			r.suggest(src.at, expression.Nearest(said, a.Choices), "%q is not a choice of %q", clipped(said), id)
			return
		}
	}
}

// dryPersonas are made-up personas in which every category appears.
func (r *resolver) dryPersonas() []map[string]string {
	agent := &dryAgent{s: r.s}
	first := map[string]string{}
	for _, name := range r.s.scope.Persona {
		first[name] = string(agent.AppendPersona(nil, name))
	}
	out := []map[string]string{first}
	for _, d := range r.s.Population.Distributions {
		for _, c := range d.Categories[1:] {
			other := maps.Clone(first)
			other[d.Name] = c.Name
			out = append(out, other)
		}
	}
	return out
}
