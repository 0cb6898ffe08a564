package agenthost

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/stats"
)

// Every agent is asked once a round, whatever the sizes of shards and batches, and its answer is in the log.
func TestRoundOfManyShards(t *testing.T) {
	s := newStage(t)
	cfg := quick()
	cfg.Batch, cfg.InFlight = 64, 100
	h := s.host(cfg)
	p := s.proxy(numbers)
	s.create(guess(1000, ""), 1000, 300, h)
	for round := range 3 {
		s.open()
		s.complete()
		for agent := range 1000 {
			require.Equal(t, float64(number(round+1, agent)), s.value(0, agent))
			require.Equal(t, stats.Answered, s.status(0, agent))
		}
		s.close(nil)
	}
	require.EqualValues(t, 3000, p.calls.Load())
	require.EqualValues(t, 3000, s.fold.Asked)
	require.Zero(t, s.fold.Duplicates)
	for _, r := range p.seen() {
		require.LessOrEqual(t, len(r.Calls), 64)
		require.Equal(t, "You play.", r.System)
	}
	s.idle(h)
}
