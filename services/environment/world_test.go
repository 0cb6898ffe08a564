package environment

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/expression"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
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
	s.Rounds = []runlog.RoundResult{{Round: 1, Closed: runlog.Closed{Questions: []runlog.Question{{ID: "guess", Summary: col.Summarise()}}}}}
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
	s.Rounds[0].Closed.Questions[0].Summary = columns[0].Summarise()
	next, err := nextWorld(s, columns)
	require.NoError(t, err)
	require.InDelta(t, 10, next.World["target"], 1e-12)
}

func TestNextWorldWithoutAnyAnswerIsAnError(t *testing.T) {
	s, columns := state(t, game, 10)
	columns[0].Status[0] = stats.Refused
	s.Rounds[0].Closed.Questions[0].Summary = columns[0].Summarise()
	_, err := nextWorld(s, columns)
	require.ErrorIs(t, err, expression.ErrNoAnswers)
	require.ErrorContains(t, err, "update.world.target")
}

// What the closed record says of the answers and what the answers say are the same to every expression.
func TestFiguresOfTheClosedRecordAreUsed(t *testing.T) {
	const all = `
version: 1
name: all
population: {size: 4}
models: {p: {provider: dummy}}
agents: {all: {model: p}}
turn:
  - {id: guess, ask: "?", answer: {type: number, min: 0, max: 100}}
update:
  world:
    count: count(answers.guess)
    mean: mean(answers.guess)
    min: min(answers.guess)
    max: max(answers.guess)
    std: std(answers.guess)
    median: median(answers.guess)
    sum: sum(answers.guess)
`
	s, columns := state(t, all, 10, 20, 40, 40)
	next, err := nextWorld(s, columns)
	require.NoError(t, err)
	told := s.Rounds[0].Closed.Questions
	s.Rounds[0].Closed.Questions = nil
	computed, err := nextWorld(s, columns)
	require.NoError(t, err)
	require.Equal(t, computed, next)
	require.InDelta(t, 27.5, next.World["mean"], 0)

	told[0].Summary.Mean = 28
	s.Rounds[0].Closed.Questions = told
	next, err = nextWorld(s, columns)
	require.NoError(t, err)
	require.InDelta(t, 28, next.World["mean"], 0, "not computed again")
}

// While a closed round waits for its world, what is no control record does not have the world computed again.
func TestOnlyControlRecordsCallForAWorld(t *testing.T) {
	s := &Service{}
	fold := runlog.NewFold("r", runlog.WithColumns())
	fold.Phase, fold.CtlSeq, fold.Seq = runlog.PhaseClosed, 7, 8
	for _, kind := range []string{runlog.KindMessage, runlog.KindAnswer, runlog.KindAsked} {
		require.NoError(t, s.step(t.Context(), fold, runlog.Header{Kind: kind}))
	}
	fold.CtlSeq = 8
	require.Panics(t, func() { _ = s.step(t.Context(), fold, runlog.Header{Kind: subjects.KindClosed}) }, "it has no scenario here")
}
