package coordinator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	headerTimeout = 5 * time.Second  // to send the headers of a request
	idleTimeout   = 2 * time.Minute  // of a kept connection
	writeTimeout  = 30 * time.Second // of a response, or of one write of a stream
	bodyTimeout   = 30 * time.Second
	headerBytes   = 64 << 10
)

// server is the HTTP API of a coordinator.
type server struct {
	svc         *Service
	log         *slog.Logger
	http        *http.Server
	addr        string
	access      *access
	closing     chan struct{}      // closed when the server begins to stop: event streams end
	cancel      context.CancelFunc // ends the requests that are left
	operations  int                // of the API, registered so far
	bodyTimeout time.Duration      // to send the body of a request
	work        sync.WaitGroup     // the accept loop
	conns       sync.WaitGroup     // one for each connection

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
// ErrPortTaken, ErrAccess.
func (s *Service) listen(ctx context.Context) (*server, error) {
	l, names, err := listen(ctx, s.cfg)
	if err != nil {
		return nil, err
	}
	who, err := newAccess(s.cfg, names)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	base, cancel := context.WithCancel(ctx)
	v := &server{
		svc: s, log: s.log, addr: l.Addr().String(), access: who, bodyTimeout: bodyTimeout, cancel: cancel, closing: make(chan struct{}), open: map[net.Conn]http.ConnState{},
	}
	handler, err := v.handler(s.metrics)
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
