package test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/results"
)

const tiny = `
version: 1
name: tiny
rounds: 2
population: {size: 30}
models: {player: {provider: dummy}}
agents: {players: {model: player}}
turn:
  - id: guess
    ask: Which number?
    answer: {type: number, min: 0, max: 100}
update: {world: {mean: mean(answers.guess)}}
`

// Starting and stopping leaves nothing behind, and the data directory holds the runs of every life.
func TestTwentyLives(t *testing.T) {
	const lives = 20
	defer goleak.VerifyNone(t, append(natstest.Leftovers(), goleak.IgnoreCurrent())...)
	dir := t.TempDir()
	hash := ""
	var first string
	for i := range lives {
		sys := openSystem(t, dir, nil)
		sum := results.Summary(sys.play(t, control.Submission{Source: tiny, ShardSize: 10}))
		if i == 0 {
			hash, first = sum.ResultHash, sum.Run
		}
		require.Equal(t, hash, sum.ResultHash)
		if i == lives-1 {
			require.Equal(t, hash, results.Summary(sys.settled(t, first)).ResultHash)
		}
		sys.close(t)
	}
}
