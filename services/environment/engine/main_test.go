package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/environment"
	"github.com/myriad-sim/myriad/services/environment/engine"
	"github.com/myriad-sim/myriad/services/environment/engine/tree"
)

func TestMain(m *testing.M) { natstest.VerifyMain(m) }

// serve starts an engine on a connection of its own, which is stopped at the end of the test, and returns both.
func serve(t testing.TB, srv *natstest.Server, cfg engine.Config, options ...func(*engine.Engine)) (*engine.Engine, *nats.Conn) {
	t.Helper()
	nc := srv.Connect(t)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	e := engine.New(nc, js, natstest.Logger(t), cfg)
	for _, o := range options {
		o(e)
	}
	require.NoError(t, e.Start(t.Context()))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		require.NoError(t, e.Stop(ctx))
	})
	return e, nc
}

// world is an environment that was made.
func world(t testing.TB, srv *natstest.Server, run, kind string, config any) *environment.Env {
	t.Helper()
	env := environment.NewClient(srv.Connect(t), run).Env("w")
	require.NoError(t, env.Create(t.Context(), kind, config))
	return env
}

// waiting is how many messages wait according to a record of the log.
func waiting(t testing.TB, record []byte) int {
	t.Helper()
	_, body, err := runlog.Decode(record)
	require.NoError(t, err)
	n, err := tree.Waiting(body)
	require.NoError(t, err)
	return n
}
