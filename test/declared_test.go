package test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/environment"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

const lake = `
version: 1
name: lake
rounds: 2
population: {size: 30}
models: {player: {provider: dummy}}
agents: {fishers: {model: player}}
turn:
  - id: catch
    ask: How much do you catch?
    answer: {type: number, min: 0, max: 100}
update: {world: {mean: mean(answers.catch)}}
environments:
  lake:
    state: {fish: 100}
    functions:
      catch: {args: [n], set: {fish: state.fish - args.n}, returns: state.fish}
    listeners:
      - {name: overfished, when: state.fish < 20, tell: [all], say: "Only {{state.fish}} fish are left."}
`

// The environments of a scenario are there with the run, anyone may call them, and their listeners tell its agents, each once.
func TestEnvironmentOfAScenario(t *testing.T) {
	sys := startSystem(t, nil)
	st := sys.play(t, control.Submission{Source: lake, ShardSize: 10})
	fish := environment.NewClient(sys.nc, st.Run).Env("lake")
	var left int64
	for range 4 {
		out, err := fish.Call(t.Context(), "catch", map[string]any{"n": 21})
		require.NoError(t, err)
		require.NoError(t, out.Decode(&left))
	}
	require.EqualValues(t, 16, left)
	client, err := agent.NewClient(sys.nc, st.Run, natstest.Logger(t))
	require.NoError(t, err)
	defer client.Close()
	for i := range 30 {
		require.Eventually(t, func() bool {
			state, err := client.State(t.Context(), subjects.PopulationAddress(i/10, i))
			require.NoError(t, err)
			return strings.Count(state.Content.String(), "told: ") == 1 && strings.HasSuffix(state.Content.String(), "told: Only 16 fish are left.")
		}, patience, often, "agent %d was not told", i)
	}
}
