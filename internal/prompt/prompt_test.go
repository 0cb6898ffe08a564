package prompt_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/prompt"
	"github.com/myriad-sim/myriad/internal/template"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

const source = `version: 1
name: test
rounds: 9
vars: {top: 100}
population: {size: 3, background: {generator: template}}
models: {m: {provider: openai, endpoints: ['http://localhost:1/v1'], model: x}}
agents:
  shared: {count: 1, model: m, system: "Say a number up to {{.vars.top}}, round {{.round}}."}
  own: {count: 1, model: m, system: "You are {{.persona.name}}.{{if eq .persona.name \"nobody\"}} {{end}}"}
  none: {count: 1, model: m}
turn:
  - {id: guess, ask: "{{if gt .round 1}}It was {{.world.mean}}; you said {{.self.last.guess}}. {{end}}Guess!", answer: {type: number}}
  - {id: why, ask: "Why {{.answers.guess}}?", answer: {type: text}}
update: {world: {mean: mean(answers.guess)}}
%s`

// player is an agent that answers the same in every round.
type player struct {
	number int
	name   string
	last   string
}

func (p player) Number() int                               { return p.number }
func (p player) Block() string                             { return []string{"shared", "own", "none"}[p.number] }
func (p player) AppendPersona(dst []byte, _ string) []byte { return append(dst, p.name...) }
func (p player) AppendLast(dst []byte, _ string) []byte    { return append(dst, p.last...) }
func (p player) AppendAnswer(dst []byte, _ string) []byte  { return append(dst, "42"...) }

func load(t *testing.T, more string) *scenario.Scenario {
	t.Helper()
	s, err := scenario.Load("test.yaml", fmt.Appendf(nil, source, more), scenario.Overrides{})
	require.NoError(t, err)
	return s
}

func round(t *testing.T, s *scenario.Scenario, number int) *prompt.Round {
	t.Helper()
	shared := template.Shared{Vars: s.Vars, World: map[string]float64{}, Round: number, Rounds: 9, Size: 3}
	if number > 1 {
		shared.World["mean"] = float64(10 * number)
	}
	r, err := prompt.NewRound(s, shared)
	require.NoError(t, err)
	require.Equal(t, number, r.Number())
	return r
}

func user(text string) llm.Message      { return llm.Message{Role: llm.RoleUser, Content: text} }
func assistant(text string) llm.Message { return llm.Message{Role: llm.RoleAssistant, Content: text} }
func system(text string) llm.Message    { return llm.Message{Role: llm.RoleSystem, Content: text} }

func TestSystemPrompts(t *testing.T) {
	s := load(t, "")
	r := round(t, s, 1)
	require.Equal(t, "Say a number up to 100, round 1.", r.SharedSystem(0))
	require.Empty(t, r.SharedSystem(1), "differs between agents")
	require.Empty(t, r.SharedSystem(2), "there is none")
	for block, want := range [][]llm.Message{
		{user("Guess!")}, // the shared one is sent once a batch, not with each call
		{system("You are Ann."), user("Guess!")},
		{user("Guess!")},
	} {
		got, err := r.Messages(s, player{number: block, name: "Ann"}, block, 0, prompt.Past{})
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func TestASystemPromptThatSaysNothingIsNotSent(t *testing.T) {
	src := `version: 1
name: test
population: {size: 2}
models: {m: {provider: openai, endpoints: ['http://localhost:1/v1'], model: x}}
agents:
  quiet: {count: 1, model: m, system: "{{if gt .round 1}}Hi{{end}}"}
  own: {count: 1, model: m, system: "{{if eq .self.number 0}}Hi{{end}}"}
turn: [{id: guess, ask: Guess, answer: {type: number}}]
update: {world: {mean: mean(answers.guess)}}
`
	s, err := scenario.Load("test.yaml", []byte(src), scenario.Overrides{})
	require.NoError(t, err)
	r := round(t, s, 1)
	for block := range 2 {
		require.Empty(t, r.SharedSystem(block))
		got, err := r.Messages(s, player{number: 1}, block, 0, prompt.Past{})
		require.NoError(t, err)
		require.Equal(t, []llm.Message{user("Guess")}, got)
	}
	require.Equal(t, "Hi", round(t, s, 2).SharedSystem(0))
}

// past is three rounds behind agent 1, which has notes, and an earlier question in round 3.
func past(t *testing.T, s *scenario.Scenario) (*prompt.Round, prompt.Past) {
	t.Helper()
	return round(t, s, 3), prompt.Past{
		Turns: []prompt.Turn{
			{Round: round(t, s, 1), Agent: player{number: 1}, Replies: []string{"I say 1", "because"}},
			{Round: round(t, s, 2), Agent: player{number: 1, last: "1"}, Replies: []string{"I say 2", ""}},
		},
		Notes:   []llm.Message{user("Psst"), assistant("Yes?")},
		Earlier: []string{"I say 3"},
	}
}

func TestMemory(t *testing.T) {
	first, second := user("Guess!"), user("It was 20; you said 1. Guess!")
	why := user("Why 42?")
	for keep, remembered := range map[string][]llm.Message{
		"memory: {turns: all, keep: [question, answer]}": {first, assistant("I say 1"), why, assistant("because"), second, assistant("I say 2"), why},
		"memory: {turns: 2, keep: [answer]}":             {assistant("I say 1"), assistant("because"), assistant("I say 2")},
		"memory: {turns: 2, keep: [question]}":           {first, why, second, why},
	} {
		s := load(t, keep)
		r, p := past(t, s)
		got, err := r.Messages(s, player{number: 1, name: "Ann", last: "2"}, 1, 1, p)
		require.NoError(t, err)
		want := append([]llm.Message{system("You are Ann.")}, remembered...)
		want = append(want, user("Psst"), assistant("Yes?"), user("It was 30; you said 2. Guess!"), assistant("I say 3"), why)
		require.Equal(t, want, got, keep)

		got, err = r.Talk(s, player{number: 1, name: "Ann", last: "2"}, 1, p, "How are you?")
		require.NoError(t, err)
		require.Equal(t, append(want[:len(want)-1], user("How are you?")), got, "who talks to an agent talks to one that remembers")
	}
}

func TestRoundsThatCannotBeAsked(t *testing.T) {
	const bad = `version: 1
name: test
rounds: 2
population: {size: 1}
models: {m: {provider: openai, endpoints: ['http://localhost:1/v1'], model: x}}
agents: {all: {model: m, system: "%s"}}
turn: [{id: guess, ask: "%s", answer: {type: number}}]
update: {world: {mean: mean(answers.guess)}}
`
	const missing = "{{if gt .round 1}}{{.world.mean}}{{end}}"
	for _, texts := range [][2]string{{missing, "Guess"}, {"Hi", missing}} {
		s, err := scenario.Load("test.yaml", fmt.Appendf(nil, bad, texts[0], texts[1]), scenario.Overrides{})
		require.NoError(t, err)
		_, err = prompt.NewRound(s, template.Shared{Vars: s.Vars, Round: 2, Rounds: 2, Size: 1})
		require.Error(t, err, "the world has no such value")
		require.ErrorIs(t, err, template.ErrNoValue)
		require.ErrorContains(t, err, "round 2")
	}
}

func TestRoundsAreSharedBetweenGoroutines(t *testing.T) {
	s := load(t, "memory: {turns: all, keep: [question, answer]}")
	r, p := past(t, s)
	want, err := r.Messages(s, player{number: 1, name: "Ann", last: "2"}, 1, 1, p)
	require.NoError(t, err)
	results := make(chan []llm.Message, 8)
	for range cap(results) {
		go func() {
			got, _ := r.Messages(s, player{number: 1, name: "Ann", last: "2"}, 1, 1, p)
			results <- got
		}()
	}
	for range cap(results) {
		require.Equal(t, want, <-results)
	}
}

// BenchmarkWrite writes prompts that name the persona into a request; figures are those of an agent.
func BenchmarkWrite(b *testing.B) {
	plain := strings.Replace(source, `{{if eq .persona.name \"nobody\"}} {{end}}`, "", 1)
	require.NotEqual(b, source, plain)
	s, err := scenario.Load("test.yaml", fmt.Appendf(nil, plain, ""), scenario.Overrides{})
	require.NoError(b, err)
	r, err := prompt.NewRound(s, template.Shared{Vars: s.Vars, Round: 1, Rounds: 9, Size: 3})
	require.NoError(b, err)
	var w llm.RequestWriter
	var ann template.Agent = player{number: 1, name: "Ann"}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if n%llm.MaxCalls == 0 {
			w.Reset(&llm.Request{})
		}
		w.Begin(1, 0)
		if err := r.Write(&w, s, ann, 1, 0, prompt.Past{}); err != nil {
			b.Fatal(err)
		}
		w.End(nil, nil)
	}
}
