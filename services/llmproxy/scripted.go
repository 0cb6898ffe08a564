package llmproxy

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/myriad-sim/myriad/internal/expression"
	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/rng"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// scriptedProvider answers each question by an expression of the scenario. It is a rule player, not a language model.
type scriptedProvider struct{}

// scripted is one question of one model in one round.
type scripted struct {
	facts   *llm.Facts
	program *expression.Program
	vars    expression.Vars
	noise   float64
	key     rng.Key
}

func (scriptedProvider) prepare(m *scenario.Model, f *llm.Facts, purpose uint8) (player, error) {
	if purpose == llm.PurposeInterview {
		text := scriptedSelf(m, f.Question)
		return local{answer: func(dst []byte, _ llm.Ask, _ llm.Body) ([]byte, error) { return append(dst, text...), nil }}, nil
	}
	src, ok := m.Answers[f.Question]
	if !ok {
		return nil, fmt.Errorf("%w: it has no answer to question %q", errModel, f.Question)
	}
	if math.IsNaN(m.Noise) || math.IsInf(m.Noise, 0) || m.Noise < 0 {
		return nil, fmt.Errorf("%w: noise is %v", errModel, m.Noise)
	}
	s := &scripted{facts: f, vars: varsOf(f), noise: m.Noise, key: rng.NewKey(f.Seed, "scripted/noise/"+f.Question)}
	var err error
	if s.program, err = expression.Compile(src, openScope(src, s.vars), expression.UseScripted); err != nil {
		return nil, fmt.Errorf("%w: answers.%s: %w", errModel, f.Question, err)
	}
	return local{s.answer, s.program.Reads("persona") || s.program.Reads("self")}, nil
}

func (s *scripted) answer(dst []byte, a llm.Ask, body llm.Body) ([]byte, error) {
	persona, own := body.Attributes(a)
	env := expression.Env{
		Vars: s.vars, World: s.facts.World, Previous: s.facts.Previous, Round: s.facts.Round, Persona: persona,
	}
	if s.program.Reads("self") {
		env.Self = make(map[string]float64, len(own)+1)
		maps.Copy(env.Self, own)
		env.Self["number"] = float64(a.Agent)
	}
	v, err := s.program.Any(env)
	if err != nil {
		return dst, fmt.Errorf("answers.%s: %w", s.facts.Question, err)
	}
	if text, ok := v.(string); ok {
		return append(dst, text...), nil
	}
	f := s.facts
	x := v.(float64)
	switch f.Type {
	case scenario.TypeChoice:
		if x != math.Trunc(x) || x < 0 || x >= float64(len(f.Choices)) {
			return dst, fmt.Errorf("answers.%s gives %v; a choice is its text or a number from 0 to %d", f.Question, x, len(f.Choices)-1)
		}
		return append(dst, f.Choices[int(x)]...), nil
	case scenario.TypeNumber:
		return appendNumber(dst, s.shake(x, a), f.Min, f.Max), nil
	case scenario.TypeLikert:
		return appendNumber(dst, min(max(math.Round(s.shake(x, a)), 1), float64(f.Points)), math.NaN(), math.NaN()), nil
	}
	return appendNumber(dst, x, math.NaN(), math.NaN()), nil
}

// shake adds noise. Noise does not push an answer out of its range: only the expression can be out of it.
func (s *scripted) shake(x float64, a llm.Ask) float64 {
	if s.noise == 0 {
		return x
	}
	u := s.key.Float64(a.Agent, uint32(s.facts.Round), a.Attempt, 0)
	noisy := x + s.noise*(2*u-1)
	if noisy < s.facts.Min && x >= s.facts.Min {
		return s.facts.Min
	}
	if noisy > s.facts.Max && x <= s.facts.Max {
		return s.facts.Max
	}
	return noisy
}

// scriptedSelf tells whoever talks to a player what it is.
func scriptedSelf(m *scenario.Model, question string) string {
	ids := slices.Sorted(maps.Keys(m.Answers))
	if _, ok := m.Answers[question]; ok {
		ids = []string{question}
	}
	rules := make([]string, len(ids))
	for i, id := range ids {
		rules[i] = id + " = " + m.Answers[id]
	}
	text := "I am a scripted rule player, not a language model: I do not read what is said to me. I answer by " + strings.Join(rules, "; ")
	if m.Noise != 0 {
		text += fmt.Sprintf(", plus noise of up to %v", m.Noise)
	}
	return text + "."
}

// varsOf gives the facts' vars to expressions.
func varsOf(f *llm.Facts) expression.Vars {
	vars := make(expression.Vars, len(f.Vars))
	for name, v := range f.Vars {
		// What a scenario may hold always reads back; from elsewhere, an expression that needs what does not says so.
		if value, err := expression.ParseValue(v); err == nil {
			vars[name] = value
		}
	}
	return vars
}

var word = regexp.MustCompile(`[\p{L}_$][\p{L}\p{N}_$]*|"[^"]*"|'[^']*'`)

// wordsOf lists the names a source could mean.
func wordsOf(src string) []string {
	words := word.FindAllString(src, -1)
	for i, w := range words {
		words[i] = strings.Trim(w, `"'`)
	}
	return words
}

// openScope lets an expression name any world state, persona and question: the scenario was checked where it was
// loaded, and here only what the facts carry is known. What has no value is an error of the call.
func openScope(src string, vars expression.Vars) expression.Scope {
	words := wordsOf(src)
	sc := expression.Scope{Vars: vars, World: words, Persona: words, Questions: map[string]string{}}
	for _, w := range words {
		sc.Questions[w] = scenario.TypeNumber
	}
	return sc
}
