package natstest

import (
	"errors"
	"log/slog"
	"net"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/bus"
)

// errDown answers in-process connections while the server is killed.
var errDown = errors.New("server is down")

// Server is a NATS server that belongs to a test and stops with it. Methods that
// take a testing.TB must be called from the test's own goroutine.
type Server struct {
	dir  string
	url  string
	addr string
	log  *slog.Logger

	mu      sync.Mutex
	current *bus.Server // nil while killed
}

// Option changes how Start provisions the server.
type Option func(*bus.Options)

// WithOptions replaces the provisioning options.
func WithOptions(o bus.Options) Option {
	return func(have *bus.Options) { *have = o }
}

// Start starts a server on a free loopback port with its data in t.TempDir(),
// and provisions it with a 256 MiB run log.
func Start(t testing.TB, opts ...Option) *Server {
	t.Helper()
	options := bus.Options{MaxBytes: 256 << 20}
	for _, o := range opts {
		o(&options)
	}
	s := &Server{dir: t.TempDir(), addr: "127.0.0.1:0", log: Logger(t)}
	s.start(t)
	t.Cleanup(s.stop)
	nc, err := s.current.Connect("provision")
	require.NoError(t, err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	require.NoError(t, bus.Provision(t.Context(), js, options))
	return s
}

// URL is the server's address for clients; it stays the same after Restart.
func (s *Server) URL() string { return s.url }

// DataDir is the directory the server keeps its data in.
func (s *Server) DataDir() string { return s.dir }

// Connect opens a TCP connection that reconnects for ever and is closed at the
// end of the test.
func (s *Server) Connect(t testing.TB) *nats.Conn {
	t.Helper()
	nc, err := bus.Connect(t.Context(), bus.ConnectConfig{URL: s.url, Name: t.Name()}, s.log)
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	return nc
}

// InProcess opens a connection without a socket. Like Connect's it reconnects
// after Restart and is closed at the end of the test.
func (s *Server) InProcess(t testing.TB) *nats.Conn {
	t.Helper()
	nc, err := bus.Attach(s, t.Name(), s.log)
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	return nc
}

// JetStream opens an in-process connection and returns its JetStream.
func (s *Server) JetStream(t testing.TB) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(s.InProcess(t))
	require.NoError(t, err)
	return js
}

// Kill takes the server away without a word to its clients, until Restart. What
// it has acknowledged is on disk. Memory streams, the hosts bucket among them,
// are gone for good, as when a real server dies.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	require.NotNil(t, s.take(), "server is already killed")
}

// Restart brings the server back on the same data and port, stopping it first
// if it runs.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.take()
	s.start(t)
}

// InProcessConn connects to whichever server runs now; see nats.InProcessServer.
func (s *Server) InProcessConn() (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil {
		return nil, errDown
	}
	return s.current.InProcessConn()
}

func (s *Server) start(t testing.TB) {
	t.Helper()
	srv, err := bus.StartServer(t.Context(), bus.ServerConfig{DataDir: s.dir, Listen: s.addr, Log: s.log})
	require.NoError(t, err)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current, s.addr, s.url = srv, srv.Addr(), srv.URL()
}

// take stops the running server and returns it, or nil when there is none.
func (s *Server) take() *bus.Server {
	s.mu.Lock()
	srv := s.current
	s.current = nil
	s.mu.Unlock()
	if srv != nil {
		srv.Stop()
	}
	return srv
}

func (s *Server) stop() { s.take() }
