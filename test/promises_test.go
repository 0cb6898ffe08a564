package test

import (
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/msg"
)

// Two thousand calls, each on the promise of the one before, through three host processes: all are made before the first is
// waited for.
func TestChainOfPromises(t *testing.T) {
	t.Parallel()
	s := up(t, t.TempDir())
	ids := []string{"h1", "h2", "h3"}
	for _, id := range ids {
		startHost(t, s, id)
	}
	w := open(t, s, "chain", ids...)
	var agents []*agent.Ref
	for _, id := range ids {
		a, err := w.Agent(t.Context(), agent.Spec{Name: "step-" + id, Kind: "step"})
		require.NoError(t, err)
		agents = append(agents, a)
	}
	const n = 2000
	m := msg.New("test", msg.RoleUser, msg.Text("0"))
	for i := range n {
		var err error
		m, err = agents[i%len(agents)].Call(t.Context(), m)
		require.NoError(t, err)
		require.True(t, m.Pending())
	}
	got, err := w.Resolve(t.Context(), m)
	require.NoError(t, err)
	require.Equal(t, strconv.Itoa(n), got.Content.String())
}

// When the process that works on something is killed, everybody who waits for it hears so: those who hold the promise, and
// the agent that was given it.
func TestKilledProducer(t *testing.T) {
	t.Parallel()
	s := up(t, t.TempDir())
	host := startHost(t, s, "h1")
	startHost(t, s, "h2")
	one, other := open(t, s, "lost", "h1", "h2"), open(t, s, "lost", "h1", "h2")
	works, err := one.Agent(t.Context(), agent.Spec{Name: "works", Kind: "stuck"})
	require.NoError(t, err)
	waits, err := one.Agent(t.Context(), agent.Spec{Name: "waits", Kind: "step"})
	require.NoError(t, err)
	promised, err := works.Call(t.Context())
	require.NoError(t, err)
	built, err := waits.Call(t.Context(), promised)
	require.NoError(t, err)

	lost := make(chan time.Time, 64)
	var waiters errgroup.Group
	for i := range cap(lost) {
		holder, m := one, promised
		if i%2 == 1 {
			holder = other
		}
		if i%4 >= 2 {
			m = built
		}
		waiters.Go(func() error {
			_, err := holder.Resolve(t.Context(), m)
			lost <- time.Now()
			if !errors.Is(err, agent.ErrProducerLost) {
				return fmt.Errorf("got %w", err)
			}
			return nil
		})
	}
	require.Never(t, func() bool { return len(lost) > 0 }, 2*time.Second, often, "who works is waited for")
	killed := time.Now()
	require.NoError(t, host.cmd.Process.Kill())
	require.NoError(t, waiters.Wait())
	for range cap(lost) {
		require.Less(t, (<-lost).Sub(killed), 3*time.Second)
	}
}
