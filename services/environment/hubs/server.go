package hubs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/myriad-sim/myriad/internal/checkpoint"
	"github.com/myriad-sim/myriad/internal/promise"
	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Bounds on what waits in one server.
const (
	maxServerBytes = 256 << 20
	maxPromises    = 10_000 // requests that wait for what they promise to say
)

// grace is how long Stop lets verbs finish that were taken before.
const grace = 2 * time.Second

// Server serves the hubs of all runs, together with any other servers.
type Server struct {
	store
	log *slog.Logger
	id  string // of this life

	sub    *nats.Subscription
	holder *promise.Holder
	kv     jetstream.KeyValue

	checkpoints *checkpoint.Store
	tailRecords int // that are enough for a checkpoint

	quit   chan struct{} // closed by Stop: take nothing new
	halt   context.CancelFunc
	launch func(*hub)     // starts its goroutine
	tasks  sync.WaitGroup // every goroutine

	mu        sync.Mutex
	stopping  bool
	hubs      map[string]*hub // by subject
	waiting   int             // bytes, in the queues of all hubs
	promising int             // requests whose promises are being resolved
}

// New returns a server on a connection, which is the caller's to close after Stop. Streams and buckets must exist when it
// starts.
func New(nc *nats.Conn, js jetstream.JetStream, log *slog.Logger) *Server {
	return &Server{
		store: store{nc, js}, log: log.With("part", "hubs"), id: nuid.Next(), quit: make(chan struct{}), hubs: map[string]*hub{},
		tailRecords: checkpoint.Records,
	}
}

// Start begins to answer. ctx bounds the start alone.
func (s *Server) Start(ctx context.Context) error {
	kv, err := s.js.KeyValue(ctx, subjects.BucketEnv)
	if err != nil {
		return fmt.Errorf("hubs: bucket %s: %w", subjects.BucketEnv, err)
	}
	s.kv = kv
	if s.checkpoints, err = checkpoint.Open(ctx, s.js, s.log, subjects.StreamHub); err != nil {
		return fmt.Errorf("hubs: %w", err)
	}
	if s.holder, err = promise.NewHolder(s.nc, s.log); err != nil {
		return fmt.Errorf("hubs: %w", err)
	}
	run, halt := context.WithCancel(context.WithoutCancel(ctx))
	s.halt, s.launch = halt, func(h *hub) { s.tasks.Go(func() { h.serve(run) }) }
	if s.sub, err = s.nc.QueueSubscribe(subjects.AnyRunHubCall(), subjects.ServiceEnvironment, func(m *nats.Msg) { s.receive(run, m) }); err != nil {
		halt()
		s.halt = nil
		s.holder.Close()
		return fmt.Errorf("hubs: subscribe: %w", err)
	}
	s.tasks.Go(func() { s.deliver(run) })
	known, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	if err := s.nc.FlushWithContext(known); err != nil {
		return errors.Join(fmt.Errorf("hubs: subscribe: %w", err), s.Stop(ctx))
	}
	return nil
}

// Stop answers what was asked before, or with ErrStopped what cannot be answered soon, and ends every goroutine.
func (s *Server) Stop(ctx context.Context) error {
	if s.halt == nil {
		return nil
	}
	s.mu.Lock()
	already := s.stopping
	s.stopping = true
	s.mu.Unlock()
	if already {
		return nil
	}
	err := s.sub.Unsubscribe()
	if s.nc.IsClosed() {
		err = nil
		s.halt()
	}
	close(s.quit)
	done := make(chan struct{})
	go func() {
		s.tasks.Wait()
		close(done)
	}()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	case <-ctx.Done():
	}
	s.halt()
	<-done
	s.holder.Close()
	if err != nil {
		return fmt.Errorf("hubs: stop: %w", err)
	}
	return nil
}

// receive reads a request and puts it before its hub.
func (s *Server) receive(ctx context.Context, m *nats.Msg) {
	v, r, err := readVerb(m)
	answer := func(content any, err error) { s.answer(m, r.Encoding, content, err) }
	if err != nil {
		answer(nil, err)
		return
	}
	v.answer = answer
	if v.name != verbBroadcast && v.name != verbAnnounce {
		s.enqueue(v)
		return
	}
	if slices.ContainsFunc(r.Msgs, msg.Msg.Pending) {
		s.promised(ctx, v, r.Msgs)
		return
	}
	if err := v.say(r.Msgs); err != nil {
		answer(nil, err)
		return
	}
	s.enqueue(v)
}

// answer replies to a request.
func (s *Server) answer(m *nats.Msg, e msg.Encoding, content any, failure error) {
	var out msg.Msg
	if failure == nil {
		var c msg.Content
		if c, failure = msg.Data(content); failure == nil {
			out = msg.New("hub", msg.RoleSystem, c)
		}
	}
	if err := wire.Answer(s.nc, m, e, "hub", out, failure); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		s.log.Warn("no answer sent", "subject", m.Subject, "error", err)
	}
}

// promised resolves what a verb says before it takes its place in the hub, and holds up nothing else.
func (s *Server) promised(ctx context.Context, v *verb, list []msg.Msg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		v.answer(nil, wire.ErrStopped)
		return
	}
	if s.promising == maxPromises {
		v.answer(nil, fmt.Errorf("%w: %d requests to hubs wait for promises", wire.ErrCrowded, maxPromises))
		return
	}
	s.promising++
	s.tasks.Go(func() {
		err := s.resolve(ctx, v.deadline, list)
		s.mu.Lock()
		s.promising--
		s.mu.Unlock()
		if err == nil {
			err = v.say(list)
		}
		if err != nil {
			v.answer(nil, err)
			return
		}
		s.enqueue(v)
	})
}

// resolve replaces promises by what they promise. It ends when the server stops.
func (s *Server) resolve(ctx context.Context, deadline time.Time, list []msg.Msg) error {
	if !deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, deadline, wire.ErrDeadline)
		defer cancel()
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	resolved := make(chan struct{})
	defer close(resolved)
	s.tasks.Go(func() {
		select {
		case <-s.quit:
			stop(wire.ErrStopped)
		case <-resolved:
		}
	})
	for i, m := range list {
		var err error
		if list[i], err = s.holder.Resolve(ctx, m); err != nil {
			if ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			return fmt.Errorf("message %d: %w", i+1, err)
		}
	}
	return nil
}

// enqueue gives a verb its place in its hub's order.
func (s *Server) enqueue(v *verb) {
	if err := s.tryEnqueue(v); err != nil {
		v.answer(nil, err)
	}
}

func (s *Server) tryEnqueue(v *verb) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return wire.ErrStopped
	}
	subject := subjects.HubSaid(v.run, v.hub)
	h, ok := s.hubs[subject]
	if !ok {
		h = &hub{Server: s, run: v.run, name: v.hub, subject: subject, wake: make(chan struct{}, 1)}
		s.hubs[subject] = h
		s.launch(h)
	}
	if len(h.queue) >= maxWaiting || h.queued+v.bytes > maxWaitingBytes || s.waiting+v.bytes > maxServerBytes {
		return fmt.Errorf("%w: %d requests wait for hub %q", wire.ErrCrowded, len(h.queue), v.hub)
	}
	h.queue = append(h.queue, v)
	h.queued += v.bytes
	s.waiting += v.bytes
	select {
	case h.wake <- struct{}{}:
	default:
	}
	return nil
}
