package test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/fakevllm"
	"github.com/myriad-sim/myriad/internal/results"
)

// samePrompt asks everybody the same. It has verbs for the name, the temperature, further keys of the model, the endpoint,
// and for what tells agents apart.
const samePrompt = `
version: 1
name: %s
rounds: 2
population:
  size: 1000
  distributions: [{name: city, categories: [{name: Bern, proportion: 1/2}, {name: Basel, proportion: 0.3}, {name: Chur, proportion: 0.2}]}]
models: {player: {provider: openai, model: ` + modelName + `, temperature: %s, max_tokens: 32, %s endpoints: [%q]}}
agents: {players: {model: player, system: "You take part in a game.%s"}}
turn:
  - id: guess
    ask: Report a real number from 0 to 100.
    answer: {type: number, min: 0, max: 100}
`

// At temperature 1 agents with one and the same prompt are independent of each other, however they are asked: no seed that
// a batch would share is ever sent.
func TestSamePromptIndependentAnswers(t *testing.T) {
	t.Parallel()
	for name, noBatch := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, err := fakevllm.New(fakevllm.Options{Model: modelName, NoBatch: noBatch, CountPrompts: true})
			require.NoError(t, err)
			t.Cleanup(server.Close)
			seen := startTap(t, server, nil)
			sys := startSystem(t, nil)
			st := sys.play(t, control.Submission{Source: fmt.Sprintf(samePrompt, "crowd", "1", "", seen.url, "")})
			require.Len(t, server.Prompts(), 1)

			rounds := []map[string]int{{}, {}}
			answers := [][]string{make([]string, 1000), make([]string, 1000)}
			for _, r := range sys.rows(t, st) {
				rounds[r.Round-1][r.Value.String()]++
				answers[r.Round-1][r.Agent] = r.Value.String()
				require.Zero(t, r.SharedWith)
			}
			// The server draws from a triangle over 1,001 values, so the likeliest has 2 answers of 1,000 on average. Independent
			// draws give about 580 different ones, and 13 of any with a chance below one in a million.
			for _, counts := range rounds {
				require.Greater(t, len(counts), 500)
				for value, n := range counts {
					require.LessOrEqual(t, n, 13, "agents that answered %s", value)
				}
			}
			same := 0
			for i, a := range answers[0] {
				if a == answers[1][i] {
					same++
				}
			}
			require.Less(t, same, 15, "agents that repeat themselves")

			bodies := seen.bodies()
			if noBatch {
				require.GreaterOrEqual(t, len(bodies), 2000)
			} else {
				require.Greater(t, seen.batches(), 2)
				require.Less(t, len(bodies), 1000, "the batch endpoint was not used")
			}
			for _, body := range bodies {
				require.NotContains(t, body, `"seed"`)
				require.NotContains(t, body, `"n":`)
			}
		})
	}
}

// At temperature 0 a scenario may have equal prompts asked once. The rows say whose call it was.
func TestSamePromptAskedOnce(t *testing.T) {
	t.Parallel()
	for name, noBatch := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, url := startVLLM(t, fakevllm.Options{NoBatch: noBatch, CountPrompts: true})
			sys := startSystem(t, nil)
			source := fmt.Sprintf(samePrompt, "shared", "0", "share_identical: true,", url, " You live in {{.persona.city}}.")
			st := sys.play(t, control.Submission{Source: source})
			prompts := server.Prompts()
			require.Len(t, prompts, 3)
			for text, n := range prompts {
				require.Equal(t, 1, n, "asked more than once: %s", text)
			}

			rows := sys.rows(t, st)
			require.Len(t, rows, 2000)
			type group struct {
				round, city int
			}
			own := map[int]group{}
			values := map[group]string{}
			for _, r := range rows {
				g := group{r.Round, int(r.Personas[0])}
				if r.SharedWith == 0 {
					require.NotContains(t, own, r.Agent)
					own[r.Agent] = g
					require.Positive(t, r.TokensIn)
				} else {
					require.Zero(t, r.TokensIn+r.TokensOut, "a shared answer costs nothing")
				}
				if v, ok := values[g]; ok {
					require.Equal(t, v, r.Value.String(), "at temperature 0 a group says one thing")
				}
				values[g] = r.Value.String()
			}
			require.Len(t, own, 3, "agents with a call of their own")
			for _, r := range rows {
				if r.SharedWith > 0 {
					leader := own[r.SharedWith-1]
					require.Equal(t, int(r.Personas[0]), leader.city, "agent %d shares with one from elsewhere", r.Agent)
				}
			}

			sum := results.Summary(st)
			require.Equal(t, 2000-3, sum.Receipt.Shared)
			require.Eventually(t, func() bool { return account(t, sys.js, st.Run).Total().Shared == 2000-3 }, patience, often)
			results.Spent(&sum, account(t, sys.js, st.Run))
			require.Equal(t, 2000-3, sum.Receipt.Shared)
			spent := server.Stats()
			require.Equal(t, int(spent.PromptTokens), sum.Receipt.TokensIn)
			require.Equal(t, int(spent.OutputTokens), sum.Receipt.TokensOut)
		})
	}
	wrong := fmt.Sprintf(samePrompt, "wrong", "0.5", "share_identical: true,", "http://localhost:1/v1", "")
	dir := write(t, "wrong.yaml", wrong)
	stderr := call{dir: dir}.run(t, "validate", "wrong.yaml").fails(t, 1)
	require.Contains(t, stderr, "temperature: 0")
	require.Contains(t, stderr, fmt.Sprintf("wrong.yaml:%d:", 1+strings.Count(wrong[:strings.Index(wrong, "share_identical")], "\n")))
}
