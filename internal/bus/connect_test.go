package bus_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/bus"
)

func TestLoadConnectConfig(t *testing.T) {
	t.Setenv("MYRIAD_NATS_CREDS", "/run/secrets/creds")
	t.Setenv("MYRIAD_NATS_CA", "/etc/ca.pem")
	cfg, err := bus.LoadConnectConfig()
	require.NoError(t, err)
	require.Equal(t, bus.ConnectConfig{
		URL: "nats://127.0.0.1:4222", Creds: "/run/secrets/creds", CA: "/etc/ca.pem",
	}, cfg)
	t.Setenv("MYRIAD_NATS_URL", "tls://nats.example.org:4222")
	cfg, err = bus.LoadConnectConfig()
	require.NoError(t, err)
	require.Equal(t, "tls://nats.example.org:4222", cfg.URL)
}

func TestConnectRefusesBadSettings(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  bus.ConnectConfig
		want error
	}{
		"empty":               {bus.ConnectConfig{}, bus.ErrConfig},
		"no host":             {bus.ConnectConfig{URL: "nats://:4222"}, bus.ErrConfig},
		"bad URL":             {bus.ConnectConfig{URL: "nats://a b"}, bus.ErrConfig},
		"one bad of two":      {bus.ConnectConfig{URL: "127.0.0.1:1,,"}, bus.ErrConfig},
		"cert without key":    {bus.ConnectConfig{URL: "127.0.0.1:1", Cert: "c"}, bus.ErrConfig},
		"creds and nkey":      {bus.ConnectConfig{URL: "127.0.0.1:1", Creds: "c", NKey: "k"}, bus.ErrConfig},
		"nkey missing":        {bus.ConnectConfig{URL: "127.0.0.1:1", NKey: "/does/not/exist"}, bus.ErrConfig},
		"creds missing":       {bus.ConnectConfig{URL: "127.0.0.1:1", Creds: "/does/not/exist"}, bus.ErrConfig},
		"authority missing":   {bus.ConnectConfig{URL: "127.0.0.1:1", CA: "/does/not/exist"}, bus.ErrConfig},
		"remote, plain":       {bus.ConnectConfig{URL: "nats://192.0.2.1:4222"}, bus.ErrNotLoopback},
		"remote, no creds":    {bus.ConnectConfig{URL: "tls://nats.example.org:4222"}, bus.ErrNotLoopback},
		"remote, no TLS":      {bus.ConnectConfig{URL: "nats://nats.example.org:4222", Creds: "c"}, bus.ErrNotLoopback},
		"one remote of two":   {bus.ConnectConfig{URL: "127.0.0.1:1,nats.example.org:4222"}, bus.ErrNotLoopback},
		"looks like loopback": {bus.ConnectConfig{URL: "nats://localhost.example.org:4222"}, bus.ErrNotLoopback},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := bus.Connect(t.Context(), c.cfg, logger(t))
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, "MYRIAD_NATS_", "it names what to set")
		})
	}
}

func TestLoopbackHost(t *testing.T) {
	for host, want := range map[string]bool{
		"127.0.0.1": true, "127.8.9.1": true, "::1": true, "localhost": true, "LOCALHOST": true, "::ffff:127.0.0.1": true,
		"": false, "0.0.0.0": false, "::": false, "10.0.0.1": false, "nats": false, "localhost.example.org": false,
	} {
		require.Equal(t, want, bus.LoopbackHost(host), host)
	}
}

func TestConnectTimesOutWithAClearError(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	url := "nats://" + l.Addr().String()
	require.NoError(t, l.Close())
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err = bus.Connect(ctx, bus.ConnectConfig{URL: url, Name: "test"}, logger(t))
	require.ErrorIs(t, err, bus.ErrUnreachable)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, url)
}

func TestConnectWaitsForTheServer(t *testing.T) {
	dir := t.TempDir()
	s, err := bus.StartServer(t.Context(), bus.ServerConfig{DataDir: dir, Listen: "127.0.0.1:0", Log: logger(t)})
	require.NoError(t, err)
	url, addr := s.URL(), s.Addr()
	s.Stop()
	type result struct {
		nc  *nats.Conn
		err error
	}
	got := make(chan result, 1)
	refused := &notes{}
	log := slog.New(slog.NewTextHandler(refused, nil))
	go func() {
		nc, err := bus.Connect(t.Context(), bus.ConnectConfig{URL: url}, log)
		got <- result{nc, err}
	}()
	require.Eventually(t, func() bool { return refused.has("not reachable") }, 5*time.Second, 5*time.Millisecond)
	s, err = bus.StartServer(t.Context(), bus.ServerConfig{DataDir: dir, Listen: addr, Log: logger(t)})
	require.NoError(t, err)
	defer s.Stop()
	r := <-got
	require.NoError(t, r.err)
	defer r.nc.Close()
	require.NoError(t, r.nc.Flush())
}

// TestConnectDoesNotRetryBadCredentials uses a server that wants a password.
func TestConnectDoesNotRetryBadCredentials(t *testing.T) {
	ns, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, Username: "u", Password: "right", NoSigs: true, NoLog: true})
	require.NoError(t, err)
	ns.Start()
	defer ns.WaitForShutdown()
	defer ns.Shutdown()
	require.True(t, ns.ReadyForConnections(10*time.Second))
	_, err = bus.Connect(t.Context(), bus.ConnectConfig{URL: "nats://u:wrong@" + ns.Addr().String()}, logger(t))
	require.ErrorIs(t, err, bus.ErrRefused)
	require.NotContains(t, err.Error(), "wrong", "a password is never shown")
	nc, err := bus.Connect(t.Context(), bus.ConnectConfig{URL: "nats://u:right@" + ns.Addr().String()}, logger(t))
	require.NoError(t, err)
	nc.Close()
}

// TestSlowConsumersAreLoud fills a subscription that nobody reads.
func TestSlowConsumersAreLoud(t *testing.T) {
	s := start(t, t.TempDir())
	said := &notes{}
	nc, err := bus.Attach(s, "slow", slog.New(slog.NewTextHandler(said, nil)))
	require.NoError(t, err)
	defer nc.Close()
	sub, err := nc.SubscribeSync("flood")
	require.NoError(t, err)
	require.NoError(t, sub.SetPendingLimits(1, -1))
	for range 10 {
		require.NoError(t, nc.Publish("flood", nil))
	}
	require.NoError(t, nc.Flush())
	require.Eventually(t, func() bool {
		return said.has("level=ERROR") && said.has("SLOW CONSUMER") && said.has("subject=flood") && said.has("connection=slow")
	}, 5*time.Second, 5*time.Millisecond)
}

// notes keeps log lines.
type notes struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (n *notes) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.buf.Write(p)
}

func (n *notes) has(s string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return bytes.Contains(n.buf.Bytes(), []byte(s))
}
