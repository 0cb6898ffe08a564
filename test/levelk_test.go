package test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/results"
	"github.com/myriad-sim/myriad/internal/stack"
)

// guessing is the guessing game with the behavioural player and nothing else. It has verbs for the rounds, the number of
// agents, p, and the offset of the target.
const guessing = `
version: 1
name: guessing
seed: 11
rounds: %d
vars: {p: %s, offset: %d}
population: {size: %d}
models: {player: {provider: levelk, tau: 1.5}}
game: {kind: guess-average, p: vars.p, offset: vars.offset, low: 0, high: 100}
agents: {players: {model: player}}
turn:
  - id: guess
    ask: Which number from 0 to 100?
    answer: {type: number, min: 0, max: 100}
update: {world: {target: vars.offset + vars.p * mean(answers.guess)}}
`

// moment is the mean of a round and its standard error.
type moment struct{ mean, se float64 }

// guess starts a game and returns a function that waits for the mean of each round.
func (s *system) guess(t testing.TB, rounds, agents, offset int, p string) func() []moment {
	t.Helper()
	run := s.submit(t, control.Submission{Source: fmt.Sprintf(guessing, rounds, p, offset, agents)})
	return func() []moment {
		st := s.settled(t, run)
		require.Equal(t, "finished", st.Status(), st.Reason)
		sum := results.Summary(st)
		require.Zero(t, sum.Receipt.Lost)
		var out []moment
		for _, r := range sum.Rounds {
			q := r.Questions["guess"]
			require.Equal(t, agents, q.Valid)
			out = append(out, moment{*q.Mean, *q.Std / math.Sqrt(float64(agents))})
		}
		require.Len(t, out, rounds)
		return out
	}
}

// What the behavioural player does, through the whole stack: the theory is that of infinitely many players of tau 1.5. The
// games are played at the same time.
func TestBehaviouralPlayer(t *testing.T) {
	const many = 100_000
	sys := startSystem(t, func(s *stack.Settings) { s.AgentHost.Batch = 1024 })
	twoThirds := sys.guess(t, 5, many, 0, "2/3")
	half := sys.guess(t, 1, many, 0, "1/2")
	fourThirds := sys.guess(t, 1, many, 0, "4/3")
	rising := sys.guess(t, 6, 2000, 0, "4/3")
	offset := sys.guess(t, 20, 2000, 5, "1/2")

	for i, m := range twoThirds() {
		round := float64(i + 1)
		// A round's mean is a multiple of the last one's, so that the errors of all rounds add up.
		require.InDelta(t, 50*math.Pow(0.67, round), m.mean, 3*m.se*math.Sqrt(round), "p 2/3, round %v", round)
	}
	for p, known := range map[string]struct {
		mean float64
		got  moment
	}{"2/3": {33.50, twoThirds()[0]}, "1/2": {26.67, half()[0]}, "4/3": {70.71, fourThirds()[0]}} {
		require.InDelta(t, known.mean, known.got.mean, 3*known.got.se, "p %s", p)
		require.Less(t, known.got.se, 0.1, "p %s", p)
	}

	up := rising()
	for i := range up[1:] {
		require.Greater(t, up[i+1].mean, up[i].mean, "p 4/3, round %d", i+2)
	}
	require.Greater(t, up[5].mean, 90.0)

	fixed := offset() // the fixed point of 5 + m/2 is 10
	require.Greater(t, math.Abs(fixed[0].mean-10), 10.0)
	require.InDelta(t, 10, fixed[19].mean, 0.05)
}
