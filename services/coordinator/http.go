package coordinator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"
)

var (
	// ErrNotLoopback: the HTTP API was told to listen where other machines reach it.
	ErrNotLoopback = errors.New("coordinator: the HTTP API listens on this machine only")
	// ErrPortTaken: another program listens on the address of the HTTP API.
	ErrPortTaken = errors.New("coordinator: the HTTP address is taken")
)

const (
	headerTimeout = 5 * time.Second  // to send the headers of a request
	idleTimeout   = 2 * time.Minute  // of a kept connection
	writeTimeout  = 30 * time.Second // of a response, or of one write of a stream
	headerBytes   = 64 << 10
)

// server is the HTTP API of a coordinator.
type server struct {
	svc        *Service
	log        *slog.Logger
	http       *http.Server
	addr       string
	closing    chan struct{}      // closed when the server begins to stop: event streams end
	cancel     context.CancelFunc // ends the requests that are left
	operations int                // of the API, registered so far
	work       sync.WaitGroup     // the accept loop and the counting of metrics
	conns      sync.WaitGroup     // one for each connection

	mu       sync.Mutex
	stopping bool
	open     map[net.Conn]http.ConnState // connections
}

// HTTPAddr is the address the HTTP API listens on, "" where it does not. It is known after Start.
func (s *Service) HTTPAddr() string {
	if s.http == nil {
		return ""
	}
	return s.http.addr
}

// listen opens the listener of the HTTP API and serves it until stop. ctx bounds all requests. Errors: ErrNotLoopback,
// ErrPortTaken.
func (s *Service) listen(ctx context.Context) (*server, error) {
	l, err := listenLoopback(ctx, s.cfg.HTTP)
	if err != nil {
		return nil, err
	}
	base, cancel := context.WithCancel(ctx)
	v := &server{
		svc: s, log: s.log, addr: l.Addr().String(), cancel: cancel, closing: make(chan struct{}), open: map[net.Conn]http.ConnState{},
	}
	counts := newMetrics(s)
	handler, err := v.handler(counts)
	if err != nil {
		cancel()
		return nil, errors.Join(err, l.Close())
	}
	v.http = &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout, // no ReadTimeout: it would end event streams, bodies have their own
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerBytes,
		BaseContext:       func(net.Listener) context.Context { return base },
		ConnState:         v.track,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	v.work.Go(func() {
		if err := v.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.fail(ctx, fmt.Errorf("coordinator: HTTP on %s: %w", v.addr, err))
		}
	})
	v.work.Go(func() { counts.count(base) })
	s.log.Info("HTTP API listens", "address", v.addr)
	return v, nil
}

// stop closes the listener, ends event streams, lets other requests finish until ctx is done, and waits for every
// goroutine of the server.
func (v *server) stop(ctx context.Context) error {
	v.mu.Lock()
	if !v.stopping {
		v.stopping = true
		close(v.closing)
	}
	for c, state := range v.open {
		if state == http.StateNew { // browsers open some ahead of need; Shutdown would wait for their first request
			_ = c.Close()
		}
	}
	v.mu.Unlock()
	err := v.http.Shutdown(ctx)
	if err != nil {
		err = fmt.Errorf("coordinator: HTTP requests were cut off: %w", errors.Join(err, v.http.Close()))
	}
	v.cancel()
	v.work.Wait() // no connection is added once the accept loop has ended
	v.conns.Wait()
	return err
}

// track is told of every change of a connection.
func (v *server) track(c net.Conn, state http.ConnState) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch state {
	case http.StateClosed, http.StateHijacked:
		delete(v.open, c)
		v.conns.Done()
		return
	case http.StateNew:
		v.conns.Add(1)
		if v.stopping {
			_ = c.Close()
		}
	}
	v.open[c] = state
}

func listenLoopback(ctx context.Context, addr string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("coordinator: HTTP address %q, want one such as 127.0.0.1:8080: %w", addr, err)
	}
	if !loopback(host) {
		return nil, fmt.Errorf("%w, not on %s: it has neither TLS nor credentials yet; set --http (MYRIAD_COORDINATOR_HTTP) to "+
			"127.0.0.1:8080 and let others in through an SSH tunnel or a proxy that has both", ErrNotLoopback, addr)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%w: %s; stop what listens there, or choose another address with --http (MYRIAD_COORDINATOR_HTTP)", ErrPortTaken, addr)
	}
	if err != nil {
		return nil, fmt.Errorf("coordinator: cannot listen on %s: %w", addr, err)
	}
	return l, nil
}

// loopback reports whether a host, written without brackets, is reached from this machine only. Names other than
// localhost are not looked up: what they resolve to can change after the check.
func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
