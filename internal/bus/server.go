package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// MaxPayload is the largest message the embedded server carries, in bytes.
const MaxPayload = 8 << 20

// maxPending is how many bytes the server holds for one connection before it
// calls it a slow consumer and cuts it off. It is four times NATS's default,
// and no less than an agent host may have in flight.
const maxPending = 256 << 20

// readyWait bounds how long the listener may take to come up after the stored
// streams are read.
const readyWait = 10 * time.Second

// ServerConfig says how the embedded server runs.
type ServerConfig struct {
	// DataDir holds the lock, the format marker and JetStream's files. It is
	// created if it does not exist.
	DataDir string
	// Listen is the loopback host:port to listen on, port 0 for any free one.
	// Empty means no listener: only this process can connect.
	Listen string
	// Log gets the server's own messages. Nil means slog.Default.
	Log *slog.Logger
}

// Server is an embedded NATS server with JetStream, synced to disk before any
// acknowledgement. It is safe for concurrent use. Whoever starts it stops it.
type Server struct {
	ns   *server.Server
	dir  *dataDir
	log  *slog.Logger
	stop func()
}

// StartServer starts an embedded server and returns once it takes connections
// and its stored streams are read. Errors: ErrDataDir, ErrDataInUse,
// ErrDataVersion, ErrPortTaken, ErrNotLoopback, ErrServer, or the context's.
func StartServer(ctx context.Context, cfg ServerConfig) (*Server, error) {
	log := cfg.Log
	if log == nil {
		log = slog.Default()
	}
	opts := &server.Options{
		ServerName:             "myriad",
		JetStream:              true,
		StoreDir:               filepath.Join(cfg.DataDir, "nats"),
		SyncAlways:             true,
		MaxPayload:             MaxPayload,
		MaxPending:             maxPending,
		NoSigs:                 true,
		DisableJetStreamBanner: true,
		DontListen:             cfg.Listen == "",
	}
	if cfg.Listen != "" {
		host, port, err := listenAddress(ctx, cfg.Listen)
		if err != nil {
			return nil, err
		}
		opts.Host, opts.Port = host, port
	}
	dir, err := openDataDir(cfg.DataDir)
	if err != nil {
		return nil, err
	}
	ns, err := startNATS(ctx, opts, log)
	if err != nil {
		return nil, errors.Join(err, dir.close())
	}
	s := &Server{ns: ns, dir: dir, log: log}
	s.stop = sync.OnceFunc(s.shutdown)
	return s, nil
}

// listenAddress checks that addr is loopback and free. The server itself would
// report a taken port only as text.
func listenAddress(ctx context.Context, addr string) (host string, port int, err error) {
	host, p, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, fmt.Errorf("%w: listen address %q: %w; give host:port with --nats", ErrServer, addr, err)
	}
	port, err = strconv.Atoi(p)
	if err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("%w: listen address %q has no valid port; give host:port with --nats", ErrServer, addr)
	}
	if !loopbackHost(host) {
		return "", 0, fmt.Errorf("%w: the embedded server does not listen on %s: it has neither TLS nor credentials; "+
			"use 127.0.0.1 with --nats, or run a NATS server of your own and set MYRIAD_NATS_URL", ErrNotLoopback, addr)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return "", 0, fmt.Errorf("%w: %s; stop what listens there, or choose another address with --nats", ErrPortTaken, addr)
	}
	if err != nil {
		return "", 0, fmt.Errorf("%w: cannot listen on %s: %w", ErrServer, addr, err)
	}
	if err := l.Close(); err != nil {
		return "", 0, fmt.Errorf("%w: %w", ErrServer, err)
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	return host, port, nil
}

// startNATS starts the server and waits until it is ready, has failed, or ctx
// ends; in the last two cases nothing of it is left.
func startNATS(ctx context.Context, opts *server.Options, log *slog.Logger) (*server.Server, error) {
	ns, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrServer, err)
	}
	sl := newServerLog(log)
	ns.SetLoggerV2(sl, false, false, false)
	started := make(chan struct{})
	go func() {
		defer close(started)
		ns.Start()
	}()
	fail := func(err error) (*server.Server, error) {
		ns.Shutdown()
		<-started
		ns.WaitForShutdown()
		return nil, err
	}
	select {
	case <-ctx.Done():
	case <-started:
	}
	if err := context.Cause(ctx); err != nil {
		return fail(fmt.Errorf("%w: not ready: %w", ErrServer, err))
	}
	select {
	case text := <-sl.fatal:
		return fail(fmt.Errorf("%w: %s", ErrServer, text))
	default:
	}
	if !ns.ReadyForConnections(readyWait) {
		return fail(fmt.Errorf("%w: not ready after %v", ErrServer, readyWait))
	}
	return ns, nil
}

// InProcessConn opens a raw connection inside the process. With it a Server can
// be handed to Attach or to nats.InProcessServer.
func (s *Server) InProcessConn() (net.Conn, error) { return s.ns.InProcessConn() }

// Connect opens a connection inside the process; name shows in the server's
// connection list. The caller closes it before Stop.
func (s *Server) Connect(name string) (*nats.Conn, error) { return Attach(s, name, s.log) }

// URL is the address clients outside the process use, or "" without a listener.
func (s *Server) URL() string {
	if addr := s.Addr(); addr != "" {
		return "nats://" + addr
	}
	return ""
}

// Addr is the host:port of the listener, or "" without one.
func (s *Server) Addr() string {
	if s.ns.Addr() == nil {
		return ""
	}
	return s.ns.Addr().String()
}

// Stop closes all connections, flushes and closes the stored streams, and
// returns when that is done and the data directory is free. It may be called
// more than once.
func (s *Server) Stop() { s.stop() }

func (s *Server) shutdown() {
	s.ns.Shutdown()
	s.ns.WaitForShutdown()
	if err := s.dir.close(); err != nil {
		s.log.Warn("cannot release the data directory", "dir", s.dir.path, "error", err)
	}
}
