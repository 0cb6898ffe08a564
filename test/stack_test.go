package test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/hosts"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/report"
	"github.com/myriad-sim/myriad/internal/results"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/stack"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// system is a stack that a test gives orders to.
type system struct {
	nc    *nats.Conn
	js    jetstream.JetStream
	stack *stack.Stack // nil when its services are processes
}

// connect returns the system whose services are processes on a server of the test.
func connect(t testing.TB, server *natstest.Server) *system {
	t.Helper()
	return &system{nc: server.Connect(t), js: server.JetStream(t)}
}

// startSystem starts a stack that stops with the test. Edit, if not nil, changes its settings first.
func startSystem(t testing.TB, edit func(*stack.Settings)) *system {
	t.Helper()
	s := openSystem(t, t.TempDir(), edit)
	t.Cleanup(func() { s.close(t) })
	return s
}

// openSystem starts a stack on a data directory. The caller closes it.
func openSystem(t testing.TB, dir string, edit func(*stack.Settings)) *system {
	t.Helper()
	set, err := stack.FromEnv()
	require.NoError(t, err)
	set.Coordinator.HTTP = ""
	set.LLMProxy.Registerer = prometheus.NewRegistry() // several stacks may run at a time
	if edit != nil {
		edit(&set)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	st, err := stack.Start(t.Context(), stack.Config{Settings: set, DataDir: dir}, log)
	require.NoError(t, err)
	js, err := jetstream.New(st.Conn())
	require.NoError(t, err)
	return &system{st.Conn(), js, st}
}

func (s *system) close(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
	defer cancel()
	require.NoError(t, s.stack.Stop(ctx))
}

// submit starts a run and returns its id.
func (s *system) submit(t testing.TB, in control.Submission) string {
	t.Helper()
	if in.File == "" {
		in.File = t.Name() + ".yaml"
	}
	return s.order(t, control.Submit, in).ID
}

func (s *system) order(t testing.TB, endpoint string, in any) control.Info {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var info control.Info
	require.NoError(t, control.Ask(ctx, s.nc, endpoint, in, &info))
	return info
}

// ready waits until a coordinator answers and so many hosts are on the register.
func (s *system) ready(t testing.TB, hostCount int) {
	t.Helper()
	kv, err := s.js.KeyValue(t.Context(), subjects.BucketHosts)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		err := control.Ask(t.Context(), s.nc, control.Status, control.Order{Run: "none"}, nil)
		list, listErr := hosts.List(t.Context(), kv)
		return errors.As(err, new(*control.Problem)) && listErr == nil && len(list) == hostCount
	}, patience, often)
}

// settled waits until a run is over or paused, and returns what the log says of it.
func (s *system) settled(t testing.TB, run string) *runlog.State {
	t.Helper()
	var last control.Info
	require.Eventually(t, func() bool {
		var err error
		last, err = s.status(t, run)
		return err == nil && (last.Over() || last.State == "paused")
	}, patience, often, "run %s", run)
	st, err := runlog.ReadControl(t.Context(), s.js, run)
	require.NoError(t, err)
	return st
}

// play plays a scenario, which must finish.
func (s *system) play(t testing.TB, in control.Submission) *runlog.State {
	t.Helper()
	st := s.settled(t, s.submit(t, in))
	require.Equal(t, "finished", st.Status(), st.Reason)
	require.Zero(t, results.Summary(st).Receipt.Lost)
	return st
}

// rows are all rows of a run.
func (s *system) rows(t testing.TB, st *runlog.State) []report.Row {
	t.Helper()
	var out []report.Row
	require.NoError(t, results.Rows(t.Context(), s.js, st, func(r *report.Row) error {
		out = append(out, *r)
		return nil
	}))
	return out
}
