package results

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/report"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

func TestTextAndJSONValuesAreWhatWasRead(t *testing.T) {
	v, err := newValues(scenario.Question{ID: "plan", Answer: scenario.AnswerSpec{Type: scenario.TypeJSON, Schema: []byte(`{"type":"object","required":["go"]}`)}})
	require.NoError(t, err)
	a := &runlog.Answers{
		Agents: []int{0, 1, 2}, Status: []stats.Status{stats.Answered, stats.Extracted, stats.Missing}, Values: make([]int64, 3),
		Text:     []string{"```json\n{\"go\": true}\n```", "I would go, I think.", "no idea"},
		Attempts: map[int][]runlog.Attempt{1: {{Kind: llm.PurposeAnswer, Text: "I would go, I think."}, {Kind: llm.PurposeExtract, Text: `{"go": 1}`}}},
	}
	require.JSONEq(t, `{"go":true}`, v.of(a, 0).String())
	require.JSONEq(t, `{"go":1}`, v.of(a, 1).String())
	require.Equal(t, "-", v.of(a, 2).String())
}

func TestCodeAndTaggedValuesAreWhatWasRead(t *testing.T) {
	code, err := newValues(scenario.Question{ID: "program", Answer: scenario.AnswerSpec{Type: scenario.TypeCode, Language: "python"}})
	require.NoError(t, err)
	tagged, err := newValues(scenario.Question{ID: "move", Answer: scenario.AnswerSpec{Type: scenario.TypeTagged, Tags: []string{"thought", "speak"}}})
	require.NoError(t, err)
	a := &runlog.Answers{
		Agents: []int{0, 1, 2}, Status: []stats.Status{stats.Answered, stats.Answered, stats.Missing}, Values: make([]int64, 3),
		Text: []string{"Here:\n```python\nprint(1)\n```\n", "<thought>hm</thought><speak>yes</speak>", ""},
	}
	require.Equal(t, "print(1)", strings.TrimSpace(code.of(a, 0).String()))
	require.JSONEq(t, `{"thought":"hm","speak":"yes"}`, tagged.of(a, 1).String())
	require.Equal(t, report.Value{}, code.of(a, 2))
}
