package llmproxy

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

func script(question, src string, noise float64) scenario.Model {
	return scenario.Model{Name: "player", Provider: "scripted", Answers: map[string]string{question: src}, Noise: noise}
}

func TestScriptedReadsItsWorld(t *testing.T) {
	s := start(t, fast(t))
	f := numberFacts(0, 1000)
	f.Round = 3
	f.Vars = map[string]string{"ratio": "2/3"}
	f.World, f.Previous = map[string]float64{"target": 30}, map[string]float64{"target": 20}
	src := `persona.mood == "calm" ? round * 100 + world.target + previous.world.target + self.guess : self.number * vars.ratio`
	req := request(t, script("guess", src, 0), f, 4)
	req.Calls[0].Persona, req.Calls[0].Own = map[string]string{"mood": "calm"}, map[string]float64{"guess": 0.25}
	req.Calls[1].Persona = map[string]string{"mood": "wild"}
	req.Calls[2].Persona = map[string]string{"mood": "calm"}
	got := s.ask(t, req)
	require.Equal(t, []string{"350.25", "0.666667", "", ""}, got.text)
	require.Contains(t, got.errs[2], "self.guess")
	require.Contains(t, got.errs[3], "persona.mood")
}

func TestScriptedNoiseIsKeyedAndStaysInRange(t *testing.T) {
	s := start(t, fast(t))
	req := request(t, script("guess", "10", 20), numberFacts(0, 100), 500)
	first := s.ask(t, req)
	require.Equal(t, first.text, s.ask(t, req).text)
	list, zeros := make([]float64, 500), 0
	for i, text := range first.text {
		list[i] = number(t, text)
		require.True(t, list[i] >= 0 && list[i] <= 30)
		if list[i] == 0 {
			zeros++
		}
	}
	require.InDelta(t, 125, zeros, 40, "a quarter would fall below 0")
	out := s.ask(t, request(t, script("guess", "-5", 0), numberFacts(0, 100), 1))
	require.Equal(t, "-5", out.text[0], "what the rule itself says is not bent")
}

func TestScriptedChoices(t *testing.T) {
	s := start(t, fast(t))
	f := &llm.Facts{Seed: 7, Round: 1, Question: "q", Type: scenario.TypeChoice, Choices: []string{"left", "right"}}
	require.Equal(t, []string{"left", "right"}, s.ask(t, request(t, script("q", "self.number", 0), f, 2)).text)
	require.Equal(t, "right", s.ask(t, request(t, script("q", `self.number == 0 ? "right" : "left"`, 0), f, 1)).text[0])
	require.Contains(t, s.ask(t, request(t, script("q", "2", 0), f, 1)).errs[0], "from 0 to 1")
	likert := &llm.Facts{Seed: 7, Round: 1, Question: "q", Type: scenario.TypeLikert, Points: 5}
	require.Equal(t, "4", s.ask(t, request(t, script("q", "3.6", 0), likert, 1)).text[0])
}

func TestScriptedRefusesWhatItHasNoRuleFor(t *testing.T) {
	s := start(t, fast(t))
	f := numberFacts(0, 1)
	require.Contains(t, s.ask(t, request(t, script("other", "1", 0), f, 1)).refused, `no answer to question "guess"`)
	require.Contains(t, s.ask(t, request(t, script("guess", "1 +", 0), f, 1)).refused, "answers.guess")
	require.Contains(t, s.ask(t, request(t, script("guess", "vars.nix", 0), f, 1)).refused, "vars.nix")
	require.Contains(t, s.ask(t, request(t, script("guess", "1", -1), f, 1)).refused, "noise")
}

func TestScriptedInterviewSaysItsRule(t *testing.T) {
	s := start(t, fast(t))
	req := request(t, script("guess", "world.target / 2", 1.5), numberFacts(0, 1), 1)
	req.Purpose = llm.PurposeInterview
	text := s.ask(t, req).text[0]
	require.Contains(t, text, "scripted rule player, not a language model")
	require.Contains(t, text, "guess = world.target / 2, plus noise of up to 1.5")
}

func TestLongAnswersAreSplitByBytes(t *testing.T) {
	s := start(t, fast(t))
	long := strings.Repeat("x", 7000)
	f := &llm.Facts{Seed: 7, Round: 1, Question: "q", Type: scenario.TypeText}
	got := s.ask(t, request(t, script("q", `"`+long+`"`, 0), f, 200))
	require.Equal(t, long, got.text[199])
	require.Equal(t, 3, got.messages, "1.4 MB in messages of about 512 KiB")
}
