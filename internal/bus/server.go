package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/myriad-sim/myriad/internal/damage"
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
	// Listen is the host:port to listen on, port 0 for any free one. Without
	// Secure it is loopback. Empty means no listener: only this process can
	// connect.
	Listen string
	// Secure has the users and the certificate of the server. Nil means that
	// whoever reaches it may do everything. With it connections inside the
	// process need a user too, see ConnectAs.
	Secure *Secure
	// Log gets the server's own messages. Nil means slog.Default.
	Log *slog.Logger
}

// Server is an embedded NATS server with JetStream, synced to disk before any
// acknowledgement. It is safe for concurrent use. Whoever starts it stops it.
type Server struct {
	ns     *server.Server
	dir    *dataDir
	log    *slog.Logger
	stop   func()
	reload *reloader // nil without users

	marks   *keeper
	damaged []damage.Note
}

// StartServer starts an embedded server and returns once it takes connections
// and its stored streams are read. Errors: ErrDataDir, ErrDataInUse,
// ErrDataVersion, ErrStoreDamaged, ErrPortTaken, ErrNotLoopback, ErrServer, or
// the context's.
func StartServer(ctx context.Context, cfg ServerConfig) (*Server, error) {
	log := cfg.Log
	if log == nil {
		log = slog.Default()
	}
	opts, err := cfg.options(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := openDataDir(cfg.DataDir)
	if err != nil {
		return nil, err
	}
	damaged, err := checkStore(ctx, cfg.DataDir, log)
	if err != nil {
		return nil, errors.Join(err, dir.close())
	}
	sl := newServerLog(log)
	ns, err := startNATS(ctx, opts, sl)
	if err != nil {
		return nil, errors.Join(err, dir.close())
	}
	s := &Server{ns: ns, dir: dir, log: log, damaged: damaged}
	if cfg.Secure != nil {
		addr := ns.Addr()
		s.reload = cfg.Secure.follow(ns, func() (*server.Options, error) { return cfg.again(addr) }, log)
	}
	connect := s.Connect
	if cfg.Secure != nil {
		connect = nil
	}
	s.marks = newKeeper(s, connect, sl.noSpace)
	s.stop = sync.OnceFunc(s.shutdown)
	return s, nil
}

// startNATS starts the server and waits until it is ready, has failed, or ctx
// ends; in the last two cases nothing of it is left.
func startNATS(ctx context.Context, opts *server.Options, sl *serverLog) (*server.Server, error) {
	ns, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrServer, err)
	}
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

// ConnectAs is Connect as the user whose seed is in a file, for a server with users.
func (s *Server) ConnectAs(name, seedFile string) (*nats.Conn, error) {
	return AttachAs(s, name, seedFile, s.log)
}

// Damaged lists what was found lost of what is stored, at this start and earlier ones. A note stands in the place of each.
func (s *Server) Damaged() []damage.Note { return s.damaged }

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
	s.marks.stop()
	s.reload.stop()
	s.ns.Shutdown()
	s.ns.WaitForShutdown()
	if err := s.dir.close(); err != nil {
		s.log.Warn("cannot release the data directory", "dir", s.dir.path, "error", err)
	}
}
