package agenthost

import (
	"fmt"
	"math"
	"slices"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/myriad-sim/myriad/internal/expression"
	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/prompt"
	"github.com/myriad-sim/myriad/internal/reading"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/template"
	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// round is what all agents of a run share in one round, built once when it opens. It is immutable.
type round struct {
	number      int
	attempt     uint32 // first logical attempt of every agent
	prompts     *prompt.Round
	readers     []*reading.Reader // by question
	facts       [][]byte          // by question
	env         expression.Env
	models      [][]byte   // by block
	subjects    []string   // by block: where its calls go
	names       [][]string // by block: the name of its model, once for each answer of a chunk
	behavioural []bool     // by block
	persona     []bool     // by block: the model reads personas
	own         []bool     // by block: the model reads the agent's own last answers
}

func shared(s *scenario.Scenario, number int, o runlog.Opened) template.Shared {
	return template.Shared{Vars: s.Vars, World: o.World, Previous: o.Previous, Round: number, Rounds: s.Rounds, Size: s.Population.Size}
}

func newRound(s *scenario.Scenario, number int, o runlog.Opened, prompts *prompt.Round) (*round, error) {
	r := &round{number: number, attempt: uint32(o.Attempt) * llm.AttemptsPerOpening, prompts: prompts} //nolint:gosec // small
	r.env = expression.Env{Vars: s.Vars, World: o.World, Previous: o.Previous, Round: number, Size: s.Population.Size}
	game, err := gameFacts(s, r.env, o)
	if err != nil {
		return nil, err
	}
	vars := make(map[string]string, len(s.Vars))
	for name, v := range s.Vars {
		vars[name] = v.String()
	}
	for _, q := range s.Turn {
		lo, hi, err := bounds(q.Answer, r.env)
		if err != nil {
			return nil, fmt.Errorf("turn %s: %w", q.ID, err)
		}
		reader, err := newReader(q, lo, hi)
		if err != nil {
			return nil, err
		}
		f := llm.Facts{
			Seed: s.Seed, Round: number, Question: q.ID, Type: q.Answer.Type, Min: lo, Max: hi,
			Points: q.Answer.Points, Choices: q.Answer.Choices, Vars: vars, World: o.World, Previous: o.Previous,
			Decimals: q.Answer.Decimals, Schema: q.Answer.Schema, Tags: q.Answer.Tags, Language: q.Answer.Language,
		}
		if game != nil && s.Game.Question == q.ID {
			f.Game = game
		}
		r.readers, r.facts = append(r.readers, reader), append(r.facts, llm.EncodeFacts(&f))
	}
	for _, b := range s.Blocks {
		m := s.Model(b.Model)
		data, err := msgpack.Marshal(m)
		if err != nil {
			return nil, fmt.Errorf("models.%s: encode: %w", m.Name, err)
		}
		r.models = append(r.models, data)
		r.subjects = append(r.subjects, subjects.Chat(m.Name))
		r.names = append(r.names, slices.Repeat([]string{m.Name}, runlog.MaxChunk))
		r.behavioural = append(r.behavioural, m.Behavioural() && !m.Replay()) // of what is played again each result says what it is
		persona, own := readsAgent(s, *m)
		r.persona, r.own = append(r.persona, persona), append(r.own, own)
	}
	return r, nil
}

// readsAgent reports which facts about single agents the expressions of a model need.
func readsAgent(s *scenario.Scenario, m scenario.Model) (persona, own bool) {
	check := func(src string, use expression.Use) {
		p, err := expression.Compile(src, s.Scope(), use)
		if err != nil {
			return // it compiled when the scenario was loaded
		}
		persona = persona || p.Reads("persona")
		own = own || p.Reads("self")
	}
	if m.Provider == "levelk" {
		check(m.Tau, expression.UsePersona)
	}
	for _, src := range m.Answers {
		check(src, expression.UseScripted)
	}
	return persona, own
}

// bounds evaluates the range of an answer for a round; NaN is no bound.
func bounds(a scenario.AnswerSpec, env expression.Env) (lo, hi float64, err error) {
	lo, hi = math.NaN(), math.NaN()
	if a.Min != nil {
		if lo, err = a.Min.Number(env); err != nil {
			return lo, hi, fmt.Errorf("answer.min: %w", err)
		}
	}
	if a.Max != nil {
		if hi, err = a.Max.Number(env); err != nil {
			return lo, hi, fmt.Errorf("answer.max: %w", err)
		}
	}
	return lo, hi, nil
}

func gameFacts(s *scenario.Scenario, env expression.Env, o runlog.Opened) (*llm.GameFacts, error) {
	if s.Game == nil {
		return nil, nil
	}
	g := &llm.GameFacts{Kind: s.Game.Kind}
	for _, f := range []struct {
		name string
		p    *expression.Program
		to   *float64
	}{{"p", s.Game.P, &g.P}, {"offset", s.Game.Offset, &g.Offset}, {"low", s.Game.Low, &g.Low}, {"high", s.Game.High, &g.High}} {
		v, err := f.p.Number(env)
		if err != nil {
			return nil, fmt.Errorf("game.%s: %w", f.name, err)
		}
		*f.to = v
	}
	g.PreviousMean, g.HasPrevious = o.Means[s.Game.Question]
	return g, nil
}
