package bus_test

import (
	"log/slog"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/internal/natstest"
)

func TestMain(m *testing.M) {
	natstest.VerifyMain(m)
}

func logger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// start starts a server without a listener that stops with the test.
func start(t testing.TB, dir string) *bus.Server {
	t.Helper()
	s, err := bus.StartServer(t.Context(), bus.ServerConfig{DataDir: dir, Log: logger(t)})
	require.NoError(t, err)
	t.Cleanup(s.Stop)
	return s
}

// connect opens a connection and its JetStream; both end with the test.
func connect(t testing.TB, s *bus.Server) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	nc, err := s.Connect(t.Name())
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	return nc, js
}

// provisioned starts a server with all streams and a small run log.
func provisioned(t testing.TB) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	nc, js := connect(t, start(t, t.TempDir()))
	require.NoError(t, bus.Provision(t.Context(), js, bus.Options{MaxBytes: 1 << 30}))
	return nc, js
}
