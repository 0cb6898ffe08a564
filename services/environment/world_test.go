package environment

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/expression"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

const game = `
version: 1
name: w
rounds: 3
vars: {ratio: 1/2}
population: {size: 4}
models: {p: {provider: dummy}}
agents: {all: {model: p}}
turn:
  - {id: guess, ask: "?", answer: {type: number, min: 0, max: 100}}
update:
  world:
    target: "vars.ratio * mean(answers.guess)"
    rounds_seen: "(round > 1 ? world.rounds_seen : 0) + 1"
report: {winners: {nearest: world.target, within: 5}}
`

func state(t *testing.T, src string, values ...float64) (*runlog.State, []*stats.Column) {
	t.Helper()
	sc, err := scenario.Load("w.yaml", []byte(src), scenario.Overrides{})
	require.NoError(t, err)
	col := &stats.Column{Decimals: 6}
	for _, v := range values {
		c, err := stats.Canonical(v, 6)
		require.NoError(t, err)
		col.Values, col.Status = append(col.Values, c), append(col.Status, stats.Answered)
	}
	s := &runlog.State{Run: "r", Round: 1, Scenario: sc, World: map[string]float64{}, Previous: map[string]float64{}}
	return s, []*stats.Column{col}
}

func TestNextWorldFoldsAnswersAndFindsWinners(t *testing.T) {
	s, columns := state(t, game, 10, 20, 30, 40)
	next, err := nextWorld(s, columns)
	require.NoError(t, err)
	require.Equal(t, map[string]float64{"target": 12.5, "rounds_seen": 1}, next.World)
	require.Equal(t, runlog.Winners{Target: 12.5, Nearest: 1, Agents: []int{0}, Within: 1}, next.Winners["guess"])

	s.Round, s.World, s.Previous = 2, next.World, map[string]float64{}
	next, err = nextWorld(s, columns)
	require.NoError(t, err)
	require.InDelta(t, 2, next.World["rounds_seen"], 0, "an update sees the state before it")
}

func TestNextWorldLeavesInvalidAnswersOut(t *testing.T) {
	s, columns := state(t, game, 10, 20, 30, 40)
	columns[0].Status[3] = stats.Missing
	next, err := nextWorld(s, columns)
	require.NoError(t, err)
	require.InDelta(t, 10, next.World["target"], 1e-12)
}

func TestNextWorldWithoutAnyAnswerIsAnError(t *testing.T) {
	s, columns := state(t, game, 10)
	columns[0].Status[0] = stats.Refused
	_, err := nextWorld(s, columns)
	require.ErrorIs(t, err, expression.ErrNoAnswers)
	require.ErrorContains(t, err, "update.world.target")
}
