package scenario_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/pkg/scenario"
)

// survey asks a language model, a behavioural player and nobody about everything that has no number.
const survey = `version: 1
name: survey
population:
  size: 4
  distributions:
    - {name: photo, categories: [{name: 'https://example.org/a.png?w=1', proportion: 1/2}, {name: 'data:image/png;base64,AAA=', proportion: 1/2}]}
vars: {sound: 'data:audio/x-wav;base64,AAAA'}
models:
  voice:
    provider: openai
    endpoints: [http://localhost:8000/v1]
    model: m
    temperature: 0
    max_tokens: 64
    structured: response_format
    share_identical: true
    hedge: true
  rules: {provider: scripted, answers: {plan: '"x"', said: '"y"'}}
budget: {tokens: 1_000_000, money: 5.00, models: {voice: {tokens: 900, money: 0.000001}}}
agents: {first: {model: voice, share: 1/2}, second: {model: rules, share: 1/2}}
turn:
  - id: plan
    ask: Write it.
    attach: [{image: '{{.persona.photo}}'}, {audio: '{{.vars.sound}}'}, {image: '{{if gt .round 1}}http://x/y{{end}}'}]
    answer: {type: code, language: python}
  - {id: said, ask: Say it., answer: {type: tagged, tags: [thought, Speak-Up]}}
`

func TestLanguageModelSettings(t *testing.T) {
	s := load(t, survey, scenario.Overrides{})
	m := s.Model("voice")
	require.Equal(t, scenario.StructuredResponseFormat, m.Structured)
	require.True(t, m.ShareIdentical)
	require.True(t, m.Hedge)
	require.Equal(t, "python", s.Turn[0].Answer.Language)
	require.Equal(t, []string{"thought", "Speak-Up"}, s.Turn[1].Answer.Tags)
	require.True(t, s.Turn[0].Answer.Textual())
	require.False(t, load(t, base, scenario.Overrides{}).Turn[0].Answer.Textual())
	kinds := []string{}
	for _, a := range s.Turn[0].Attach {
		kinds = append(kinds, a.Kind)
	}
	require.Equal(t, []string{scenario.AttachImage, scenario.AttachAudio, scenario.AttachImage}, kinds)
	require.Equal(t, "{{.vars.sound}}", s.Turn[0].Attach[1].URL.Source())

	off := load(t, survey, scenario.Overrides{Set: map[string]string{
		"models.voice.structured": "none", "models.voice.share_identical": "false", "models.voice.hedge": "false",
	}}).Model("voice")
	require.Empty(t, off.Structured)
	require.False(t, off.ShareIdentical || off.Hedge)
}

func TestBudget(t *testing.T) {
	s := load(t, survey, scenario.Overrides{})
	require.Equal(t, &scenario.Budget{
		Tokens: 1_000_000, Micros: 5_000_000, Models: map[string]scenario.Cap{"voice": {Tokens: 900, Micros: 1}},
	}, s.Budget)
	require.Nil(t, load(t, base, scenario.Overrides{}).Budget)

	more := load(t, survey, scenario.Overrides{Set: map[string]string{"budget.tokens": "7", "budget.models.voice.money": "1/4"}}).Budget
	require.Equal(t, uint64(7), more.Tokens)
	require.Equal(t, uint64(250_000), more.Models["voice"].Micros)
	none := strings.Replace(survey, "budget: {tokens: 1_000_000, money: 5.00, models: {voice: {tokens: 900, money: 0.000001}}}\n", "", 1)
	require.Equal(t, &scenario.Budget{Tokens: 12}, load(t, none, scenario.Overrides{Set: map[string]string{"budget.tokens": "12"}}).Budget)

	_, err := scenario.Load("f.yaml", []byte(survey), scenario.Overrides{Models: map[string]string{"voice": "levelk:1"}, Set: map[string]string{"budget.money": "-1"}})
	require.ErrorContains(t, err, `--set budget.money=-1: "money" must be more than 0, not -1`)
	require.ErrorContains(t, err, "f.yaml:19:9: a budget can spend nothing here")
}

// Amounts of money are exact, however many millionths they are.
func TestMoneyIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		micros := rapid.Uint64Range(1, 1_000_000_000_000_000).Draw(t, "micros")
		said := fmt.Sprintf("%d.%06d", micros/1_000_000, micros%1_000_000)
		s, err := scenario.Load("f.yaml", []byte(strings.Replace(survey, "money: 5.00", "money: "+said, 1)), scenario.Overrides{})
		require.NoError(t, err)
		require.Equal(t, micros, s.Budget.Micros)
	})
}

// A scenario that uses none of this has the hash it had before there was any of it; each setting changes it.
func TestHashOfWhatIsSpent(t *testing.T) {
	const before = "bd74212e63dd78e8c411603ce07e93e5f0bb49fbf24d7c1bbcac4290515bc048"
	require.Equal(t, before, load(t, base, scenario.Overrides{}).Hash())
	seen := map[string]string{load(t, survey, scenario.Overrides{}).Hash(): "survey"}
	for _, change := range [][2]string{
		{"money: 5.00", "money: 5.01"}, {"tokens: 900", "tokens: 901"}, {"response_format", "structured_outputs"}, {"share_identical: true", "share_identical: false"},
		{"hedge: true", "hedge: false"}, {"language: python", "language: go"}, {"Speak-Up", "speak-up"}, {"http://x/y", "http://x/z"}, {"{audio: ", "{image: "},
	} {
		require.Equal(t, 1, strings.Count(survey, change[0]), change[0])
		src := strings.Replace(survey, change[0], change[1], 1)
		if change[1] == "{image: " {
			src = strings.Replace(src, "audio/x-wav", "image/x-wav", 1)
		}
		hash := load(t, src, scenario.Overrides{}).Hash()
		require.NotContains(t, seen, hash, "%v", change)
		seen[hash] = change[0]
	}
}
