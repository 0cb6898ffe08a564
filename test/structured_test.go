package test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/fakevllm"
	"github.com/myriad-sim/myriad/internal/results"
	"github.com/myriad-sim/myriad/internal/stats"
)

// everyType asks a question of every type that a server can be held to, and of those it cannot. It has verbs for the mode
// and the endpoint.
const everyType = `
version: 1
name: forms
rounds: 1
population: {size: 60}
models: {player: {provider: openai, model: ` + modelName + `, temperature: 1, max_tokens: 2000, %s endpoints: [%q]}}
agents: {players: {model: player, system: Somebody asks you things.}}
turn:
  - {id: price, ask: "What would you pay, from 2.5 to 12.5 francs?", answer: {type: number, min: 2.5, max: 12.5, decimals: 2}}
  - {id: visits, ask: "How often do you go there, between 0 and 30 times?", answer: {type: number, min: 0, max: 30, decimals: 0}}
  - {id: liking, ask: "From 1 to 7, how much do you like it?", answer: {type: likert, points: 7}}
  - {id: way, ask: "How do you get there: walk, cycle, or drive?", answer: {type: choice, choices: [walk, cycle, drive]}}
  - id: plan
    ask: "Plan your next visit."
    answer:
      type: json
      schema: {type: object, properties: {day: {type: string, enum: [Sat, Sun]}, hour: {type: integer, minimum: 8, maximum: 20}, alone: {type: boolean}}, required: [day, hour, alone], additionalProperties: false}
  - id: words
    ask: "What do you say, and think: one of <think>Rain</think> <say>Come in</say>, <think>Sun</think> <say>Go out</say>."
    answer: {type: tagged, tags: [think, say]}
  - {id: why, ask: "Why?", answer: {type: text}}
`

// A server that is held to a form writes nothing else, and every answer reads at once. Types without a form are asked freely.
func TestStructuredAnswers(t *testing.T) {
	t.Parallel()
	forms := map[string]struct {
		batch  bool
		form   func(body gjson.Result) gjson.Result // the schema of a question, or its choices
		choice string                               // what the server writes for a choice
	}{
		"response_format": {true, func(body gjson.Result) gjson.Result {
			if f := body.Get("response_format"); f.Exists() {
				return f.Get("json_schema.schema")
			}
			return gjson.Result{}
		}, `{"way": "walk"}`},
		"structured_outputs": {false, func(body gjson.Result) gjson.Result {
			if f := body.Get("structured_outputs.json"); f.Exists() {
				return f
			}
			return body.Get("structured_outputs.choice")
		}, "walk"},
	}
	for mode, want := range forms {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			// Unless it is held to a form, this server thinks aloud.
			server, err := fakevllm.New(fakevllm.Options{Model: modelName, Style: fakevllm.Reasoned, Tokens: 40, NoBatch: !want.batch})
			require.NoError(t, err)
			t.Cleanup(server.Close)
			seen := startTap(t, server, nil)
			sys := startSystem(t, nil)
			st := sys.play(t, control.Submission{Source: fmt.Sprintf(everyType, "structured: "+mode+",", seen.url)})
			require.Zero(t, server.Stats().Refused, "the server understands every form")

			asked := map[string]bool{}
			for _, body := range seen.bodies() {
				require.NotContains(t, body, "guided_")
				if f := want.form(gjson.Parse(body)); f.Exists() {
					asked[f.Raw] = true
				}
			}
			require.Len(t, asked, 5, "forms: %v", asked)

			sum := results.Summary(st)
			for id, q := range sum.Rounds[0].Questions {
				require.Equal(t, 60, q.Valid, id)
				require.Zero(t, q.Extracted+q.Repaired+q.Missing, id)
			}
			sawChoice := false
			for _, r := range sys.rows(t, st) {
				require.Equal(t, stats.Answered, r.Status, "%s: %s", r.Question, r.Raw)
				require.Equal(t, 1, r.Attempts)
				require.False(t, r.Apportioned && !want.batch, r.Question)
				held := json.Valid([]byte(r.Raw)) && strings.HasPrefix(r.Raw, "{")
				value := gjson.Get(r.Raw, r.Question)
				switch r.Question {
				case "price", "visits", "liking":
					require.True(t, held, r.Raw)
					got, err := strconv.ParseFloat(r.Value.String(), 64)
					require.NoError(t, err)
					require.InDelta(t, value.Float(), got, 1e-9)
					if r.Question != "price" {
						require.NotContains(t, value.Raw, ".")
					}
				case "way":
					if r.Value.String() == "walk" {
						sawChoice = true
						require.Equal(t, want.choice, r.Raw)
					}
				case "plan":
					require.True(t, held, r.Raw)
					plan := parsed[struct {
						Day   string
						Hour  int
						Alone bool
					}](t, r.Raw)
					require.Contains(t, []string{"Sat", "Sun"}, plan.Day)
					require.GreaterOrEqual(t, plan.Hour, 8)
					require.LessOrEqual(t, plan.Hour, 20)
					require.JSONEq(t, r.Raw, r.Value.String())
				case "words":
					require.Contains(t, []string{`{"think":"Rain","say":"Come in"}`, `{"think":"Sun","say":"Go out"}`}, r.Value.String())
				case "why":
					require.False(t, held, "nobody asked for a form: %s", r.Raw)
				}
			}
			require.True(t, sawChoice)
		})
	}
}

// The look-alike writes no code, so this is a server of the test.
const coder = `
version: 1
name: coders
rounds: 1
population: {size: 20}
models: {player: {provider: openai, model: ` + modelName + `, structured: response_format, max_tokens: 200, endpoints: [%q]}}
agents: {players: {model: player}}
turn:
  - {id: program, ask: "Agent {{.self.number}}, round {{.round}}: write it in Python.", answer: {type: code, language: python, max_retries: 1}}
`

func TestCodeAnswers(t *testing.T) {
	t.Parallel()
	program := func(agent int) string { return fmt.Sprintf("def pay(x):\n    return x * %d", agent) }
	server := startModelServer(t, func(a ask) reply {
		switch block := "```python\n" + program(a.agent) + "\n```"; {
		case a.agent%4 == 1 && a.before == 0:
			return reply{text: "It is simple: return x * " + strconv.Itoa(a.agent)}
		case a.agent%4 == 2:
			return reply{text: "Here it is.\n\n" + block + "\n\nRun it with\n\n```sh\npython pay.py\n```\n"}
		default:
			return reply{text: block}
		}
	})
	sys := startSystem(t, nil)
	st := sys.play(t, control.Submission{Source: fmt.Sprintf(coder, server.url)})
	rows := sys.rows(t, st)
	require.Len(t, rows, 20)
	for _, r := range rows {
		require.Equal(t, program(r.Agent), r.Value.String(), r.Raw)
		if r.Agent%4 != 1 {
			require.Equal(t, stats.Answered, r.Status)
			require.Equal(t, 1, r.Attempts)
		} else {
			require.Greater(t, r.Attempts, 1)
		}
	}
	require.Empty(t, server.complaints())
}
