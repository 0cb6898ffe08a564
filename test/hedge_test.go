package test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/fakevllm"
	"github.com/myriad-sim/myriad/internal/results"
	"github.com/myriad-sim/myriad/internal/stack"
)

// A server that hangs on some calls holds up a round until their time is over. With hedging those calls are sent once more:
// the round does not wait, each answer counts once, and what the second calls cost is in the receipt.
func TestHedging(t *testing.T) {
	t.Parallel()
	play := func(t *testing.T, timeout time.Duration, model string) (seconds float64, hedges, unreported, retries int) {
		t.Helper()
		server, url := startVLLM(t, fakevllm.Options{NoBatch: true, PerToken: 5 * time.Millisecond, Faults: fakevllm.Faults{
			Script: map[int]fakevllm.Fault{330: fakevllm.Hang, 550: fakevllm.Hang, 770: fakevllm.Hang},
		}})
		sys := startSystem(t, func(s *stack.Settings) { s.LLMProxy.Backoff = 10 * time.Millisecond })
		st := sys.play(t, control.Submission{Source: guessingOn("hedged", 1, 1500, fmt.Sprintf("timeout: %v, concurrency: 16, %s", timeout, model), "", url)})
		answersOnce(t, sys.js, st.Run)
		require.Equal(t, uint64(3), server.Stats().Faults[fakevllm.Hang])
		sum := results.Summary(st)
		require.Eventually(t, func() bool { return results.Settled(&sum, account(t, sys.js, st.Run)) }, patience, often)
		results.Spent(&sum, account(t, sys.js, st.Run))
		r := sum.Receipt
		require.LessOrEqual(t, int(server.Stats().Asked), 1500+r.Hedges+r.Retries-3, "no request without a place in the receipt; the server does not read what hangs")
		return sum.Rounds[0].Seconds, r.Hedges, r.TokensUnreported, r.Retries
	}
	t.Run("without", func(t *testing.T) {
		t.Parallel()
		const timeout = 5 * time.Second
		seconds, hedges, unreported, retries := play(t, timeout, "")
		require.GreaterOrEqual(t, seconds, timeout.Seconds())
		require.Zero(t, hedges)
		require.Equal(t, 3, retries)
		require.Positive(t, unreported, "nobody knows what the calls that hung have cost")
	})
	t.Run("with", func(t *testing.T) {
		t.Parallel()
		const timeout = 30 * time.Second // the machine may be busy
		seconds, hedges, unreported, retries := play(t, timeout, "hedge: true,")
		require.Less(t, seconds, timeout.Seconds())
		require.GreaterOrEqual(t, hedges, 3)
		require.LessOrEqual(t, hedges, 15, "one in a hundred at most")
		require.Zero(t, retries)
		require.GreaterOrEqual(t, unreported, 3*(32+64), "the most that each call may have cost counts")
	})
}
