package test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/results"
	"github.com/myriad-sim/myriad/internal/stack"
	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// joinCluster starts a stack on a cluster; it stops with the test.
func joinCluster(t testing.TB, c *natstest.Cluster) *system {
	t.Helper()
	set, err := stack.FromEnv()
	require.NoError(t, err)
	set.Coordinator.HTTP = ""
	set.LLMProxy.Registerer = prometheus.NewRegistry()
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	st, err := stack.Start(t.Context(), stack.Config{Settings: set, Connect: bus.ConnectConfig{URL: c.URL(), Name: "myriad"}}, log)
	require.NoError(t, err)
	js, err := jetstream.New(st.Conn())
	require.NoError(t, err)
	s := &system{st.Conn(), js, st}
	t.Cleanup(func() { s.close(t) })
	s.ready(t, 1) // the servers of a cluster hear a little later who serves what
	return s
}

// Of three brokers any one may die at any time: the run goes on without it, and ends as if nothing had happened. One after
// the other is killed, the one that leads the run log each time, and comes back.
func TestARunOutlivesAnyBroker(t *testing.T) {
	few := scenario.Overrides{Agents: new(3000), Models: map[string]string{"player": "dummy:200ms"}}
	in := control.Submission{Source: gameSource(t), Overrides: few, ShardSize: 128}
	want := startSystem(t, nil).play(t, in)

	c := natstest.StartCluster(t)
	s := joinCluster(t, c)
	run := s.submit(t, in)
	for round := 1; round <= 3; round++ {
		require.Eventually(t, func() bool { // in the middle of a round
			i, err := s.status(t, run)
			return err == nil && i.Round >= round && i.Answered > 0
		}, patience, often/4)
		dead := c.Leader(t, subjects.StreamLog)
		c.Kill(t, dead)
		require.Eventually(t, func() bool { // it goes on without it
			i, err := s.status(t, run)
			return err == nil && (i.Round > round || i.Over())
		}, patience, often)
		c.Restart(t, dead)
		c.Whole(t)
	}
	st := s.settled(t, run)
	require.Equal(t, "finished", st.Status(), st.Reason)
	require.Equal(t, want.Hash, st.Hash)
	require.Zero(t, results.Summary(st).Receipt.Lost)
}

// status asks for the state of a run once; while a broker is away there may be no answer.
func (s *system) status(t testing.TB, run string) (control.Info, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second) // a dead broker takes answers with it
	defer cancel()
	var i control.Info
	return i, control.Ask(ctx, s.nc, control.Status, control.Order{Run: run}, &i)
}
