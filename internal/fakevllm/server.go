package fakevllm

import (
	"context"
	crand "crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/myriad-sim/myriad/internal/rng"
)

// Server is one look-alike. Use it through Handler in a server of your own, or through Start. Close it at the end.
type Server struct {
	opts        Options
	engine      *engine
	tally       tally
	fresh       rng.Key // draws that no request determines
	same        rng.Key // draws that the request determines
	fingerprint string
	mux         http.Handler
	jobs        sync.Pool
	closed      chan struct{}

	faultsMu sync.Mutex
	chances  chances
	rolls    uint64

	mu       sync.Mutex // guards what follows: the listener and its life
	http     *http.Server
	addr     string
	served   chan struct{} // closes when the listener's goroutine ended
	conns    map[net.Conn]struct{}
	handlers sync.WaitGroup
	isClosed bool
	base     Stats // what metrics count from: those of a server begin at 0 each time it starts
}

// New makes a server. It does not listen yet.
func New(o Options) (*Server, error) {
	o, err := o.settled()
	if err != nil {
		return nil, err
	}
	seed := o.Seed
	if seed == 0 {
		var b [8]byte
		if _, err := crand.Read(b[:]); err != nil {
			return nil, fmt.Errorf("fakevllm: a seed: %w", err)
		}
		seed = binary.LittleEndian.Uint64(b[:])
	}
	s := &Server{
		opts: o, engine: newEngine(o), closed: make(chan struct{}), conns: map[net.Conn]struct{}{},
		fresh: rng.NewKey(seed, "fakevllm/fresh"), same: rng.NewKey(0, "fakevllm/same"),
		fingerprint: fmt.Sprintf("fakevllm-%08x", uint32(hashText(o.Model))),
		chances:     o.Faults.chances(),
	}
	s.jobs.New = func() any { return &job{} }
	s.tally.faults = map[Fault]uint64{}
	if o.CountPrompts {
		s.tally.prompts = map[string]int{}
	}
	s.mux = s.routes()
	return s, nil
}

// Handler answers requests as the server does, for a server or a test of your own. It works without Start.
func (s *Server) Handler() http.Handler { return s.mux }

// Model is the name of the model it serves.
func (s *Server) Model() string { return s.opts.Model }

// Set changes which requests fail from now on and starts counting requests for the script anew.
func (s *Server) Set(f Faults) error {
	if err := f.check(); err != nil {
		return err
	}
	s.faultsMu.Lock()
	defer s.faultsMu.Unlock()
	s.chances = f.chances()
	return nil
}

// nextFault is the fault of a request that just came.
func (s *Server) nextFault() (f Fault, after, pace time.Duration) {
	s.faultsMu.Lock()
	f = s.chances.next(func() float64 {
		s.rolls++
		return s.fresh.Float64(s.rolls, 0, 2, 0)
	})
	after, pace = s.chances.after, s.chances.pace
	s.faultsMu.Unlock()
	if f != "" {
		s.tally.fault(f)
	}
	return f, after, pace
}

// freshSubject numbers what is drawn once: answers that no request determines, and ids.
func (s *Server) freshSubject() uint64 { return s.tally.calls.Add(1) }

// Start listens at Options.Addr and gives the base address of clients, such as "http://127.0.0.1:8000/v1".
func (s *Server) Start() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.addr != "" || s.isClosed {
		return "", ErrStarted
	}
	addr := s.opts.Addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	if err := s.listen(addr); err != nil {
		return "", err
	}
	return "http://" + s.addr + "/v1", nil
}

// Revive listens at the same port again after Kill. The prefix cache is empty, as after a real start.
func (s *Server) Revive() error {
	base := s.Stats()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.addr == "" || s.http != nil || s.isClosed {
		return ErrNotKilled
	}
	s.engine.reset()
	s.base = base
	return s.listen(s.addr)
}

func (s *Server) listen(addr string) error {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", addr)
	if err != nil {
		return fmt.Errorf("fakevllm: %w", err)
	}
	s.addr = l.Addr().String()
	server := &http.Server{Handler: s.mux, ConnState: s.note, ReadHeaderTimeout: time.Minute}
	served := make(chan struct{})
	s.http, s.served = server, served
	go func() {
		defer close(served)
		_ = server.Serve(l) // ends with ErrServerClosed; a listener that breaks otherwise looks like a dead server
	}()
	return nil
}

// note keeps track of connections, to reset them in Kill.
func (s *Server) note(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch state {
	case http.StateNew:
		s.conns[c] = struct{}{}
	case http.StateClosed, http.StateHijacked:
		delete(s.conns, c)
	case http.StateActive, http.StateIdle:
	}
}

// Kill closes the listener and resets all connections, as when the process or its machine died: who waits for an answer
// gets none. Nothing happens when the server does not listen.
func (s *Server) Kill() {
	s.mu.Lock()
	server, served := s.http, s.served
	s.http = nil
	for c := range s.conns {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a connection that is closed already needs no reset
		}
	}
	s.mu.Unlock()
	if server == nil {
		return
	}
	_ = server.Close()
	<-served
}

// Close ends the server and waits until its requests ended. It may be called more than once.
func (s *Server) Close() {
	s.mu.Lock()
	if !s.isClosed {
		s.isClosed = true
		close(s.closed)
	}
	s.mu.Unlock()
	s.Kill()
	s.handlers.Wait()
	s.engine.stop()
}

// serving counts a request in; it is false when the server is closed.
func (s *Server) serving() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.isClosed {
		s.handlers.Add(1)
	}
	return !s.isClosed
}

// errGone ends a request whose client does not wait any more, or whose server is closed.
var errGone = errors.New("fakevllm: nobody waits for the answer")

// seconds is a duration as Retry-After has it.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
