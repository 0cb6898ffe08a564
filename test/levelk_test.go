package test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/results"
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

// means plays the game and returns the mean of each round.
func (s *system) means(t testing.TB, rounds, agents, offset int, p string) []moment {
	t.Helper()
	st := s.play(t, control.Submission{Source: fmt.Sprintf(guessing, rounds, p, offset, agents)})
	var out []moment
	for _, r := range results.Summary(st).Rounds {
		q := r.Questions["guess"]
		require.Equal(t, agents, q.Valid)
		out = append(out, moment{*q.Mean, *q.Std / math.Sqrt(float64(agents))})
	}
	require.Len(t, out, rounds)
	return out
}

// What the behavioural player does, through the whole stack: the theory is that of infinitely many players of tau 1.5.
func TestBehaviouralPlayer(t *testing.T) {
	const many = 100_000
	sys := startSystem(t, nil)

	twoThirds := sys.means(t, 5, many, 0, "2/3")
	require.InDelta(t, 33.50, twoThirds[0].mean, 3*twoThirds[0].se)
	for i, m := range twoThirds {
		round := float64(i + 1)
		// A round's mean is a multiple of the last one's, so that the errors of all rounds add up.
		require.InDelta(t, 50*math.Pow(0.67, round), m.mean, 3*m.se*math.Sqrt(round), "p 2/3, round %v", round)
	}

	half := sys.means(t, 1, many, 0, "1/2")[0]
	require.InDelta(t, 26.67, half.mean, 3*half.se)

	fourThirds := sys.means(t, 1, many, 0, "4/3")[0]
	require.InDelta(t, 70.71, fourThirds.mean, 3*fourThirds.se)

	rising := sys.means(t, 6, 2000, 0, "4/3")
	for i := range rising[1:] {
		require.Greater(t, rising[i+1].mean, rising[i].mean, "p 4/3, round %d", i+2)
	}
	require.Greater(t, rising[5].mean, 90.0)

	offset := sys.means(t, 20, 2000, 5, "1/2") // the fixed point of 5 + m/2
	require.Greater(t, math.Abs(offset[0].mean-10), 10.0)
	require.InDelta(t, 10, offset[19].mean, 0.05)
}
