package llmproxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// What may wait in the subscription while a request is being decoded. A round of a million agents arrives at once, in
// messages of up to llm.MaxBytes.
const (
	pendingMessages = 1 << 20
	pendingBytes    = 1 << 30
)

// Service answers model calls from the bus. Make one with New; Start and Stop are called once each.
type Service struct {
	nc      *nats.Conn
	log     *slog.Logger
	cfg     Config
	metrics *metrics
	players players
	openai  *openaiProvider
	queue   *queue
	timers  *timers

	accepted atomic.Int64 // calls accepted and not finished

	mu       sync.Mutex
	started  bool
	stopping bool
	open     map[*exchange]struct{}

	sub     *nats.Subscription
	micro   micro.Service
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// New makes a service on a connection that the caller owns and closes after Stop. The error wraps ErrConfig.
func New(nc *nats.Conn, log *slog.Logger, cfg Config) (*Service, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	s := &Service{
		nc: nc, log: log, cfg: cfg, metrics: newMetrics(), queue: newQueue(), timers: new(timers),
		open: map[*exchange]struct{}{},
	}
	keys, err := newKeyring(cfg.KeyHosts)
	if err != nil {
		return nil, err
	}
	s.openai = newOpenAI(log, cfg, keys, s.timers)
	s.players = players{
		metrics: s.metrics, known: map[string]prepared{},
		providers: map[string]provider{
			"dummy":    dummyProvider{s.timers, s.queue},
			"levelk":   levelkProvider{},
			"scripted": scriptedProvider{},
			"openai":   s.openai,
		},
	}
	return s, nil
}

// Start subscribes and returns. Calls are answered until Stop; ctx bounds starting only.
func (s *Service) Start(ctx context.Context) error {
	s.mu.Lock()
	twice := s.started
	s.started = true
	s.mu.Unlock()
	if twice {
		return ErrStarted
	}
	if err := s.metrics.register(s.cfg.Registerer); err != nil {
		return err
	}
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	for range max(2, runtime.GOMAXPROCS(0)) {
		s.running.Go(s.queue.work)
	}
	s.running.Go(func() { s.keepAlive(work) })
	if err := s.subscribe(ctx, work); err != nil {
		return errors.Join(err, s.Stop(ctx))
	}
	return nil
}

func (s *Service) subscribe(ctx, work context.Context) error {
	sub, err := s.nc.QueueSubscribe(subjects.ChatAll(), subjects.ChatQueue, func(m *nats.Msg) { s.receive(work, m) })
	if err != nil {
		return fmt.Errorf("llmproxy: subscribe: %w", err)
	}
	s.sub = sub
	if err := sub.SetPendingLimits(pendingMessages, pendingBytes); err != nil {
		return fmt.Errorf("llmproxy: subscribe: %w", err)
	}
	s.micro, err = micro.AddService(s.nc, micro.Config{
		Name: subjects.ServiceLLMProxy, Version: "1.0.0", Description: "answers model calls on " + subjects.ChatAll(),
	})
	if err != nil {
		return fmt.Errorf("llmproxy: register: %w", err)
	}
	if err := s.flush(ctx); err != nil {
		return fmt.Errorf("llmproxy: subscribe: %w", err)
	}
	return nil
}

// Stop takes no new requests, cancels the calls in progress, tells their requesters to ask again, and returns when
// every goroutine has ended. ctx bounds the talk with the broker only.
func (s *Service) Stop(ctx context.Context) error {
	s.mu.Lock()
	ready := s.started && !s.stopping && s.cancel != nil
	s.stopping = true
	s.mu.Unlock()
	if !ready {
		return nil
	}
	err := s.unsubscribe(ctx)
	s.cancel()
	s.timers.stop()
	s.queue.close()
	s.running.Wait()
	s.openai.close()
	s.mu.Lock()
	left := s.open
	s.open = map[*exchange]struct{}{}
	s.mu.Unlock()
	for x := range left {
		x.abandon()
	}
	if len(left) > 0 && s.nc.IsConnected() {
		err = errors.Join(err, s.flush(ctx))
	}
	s.metrics.unregister(s.cfg.Registerer)
	if err != nil {
		return fmt.Errorf("llmproxy: stop: %w", err)
	}
	return nil
}

// unsubscribe returns when no message is being received any more. Those that had arrived are refused as busy.
func (s *Service) unsubscribe(ctx context.Context) error {
	var err error
	if s.micro != nil {
		err = s.micro.Stop()
	}
	if s.sub != nil {
		err = errors.Join(err, s.drain(ctx))
	}
	if s.nc.IsClosed() {
		return nil // the subscription ended with the connection
	}
	return err
}

func (s *Service) drain(ctx context.Context) error {
	if !s.nc.IsConnected() {
		return s.sub.Unsubscribe() // draining would wait for a broker that is not there
	}
	ended := make(chan struct{})
	s.sub.SetClosedHandler(func(string) { close(ended) })
	if err := s.sub.Drain(); err != nil {
		return err
	}
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// flush returns when the broker has all that was sent.
func (s *Service) flush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return s.nc.FlushWithContext(ctx)
}

// receive decodes a request and hands it over. It runs on the subscription's goroutine and must not wait.
func (s *Service) receive(ctx context.Context, m *nats.Msg) {
	if m.Reply == "" {
		s.log.Warn("model request without reply subject dropped", "subject", m.Subject)
		return
	}
	req, err := llm.DecodeRequest(m.Data)
	if err != nil {
		s.refuse(m.Reply, req.ID, err.Error())
		return
	}
	made, err := s.players.find(req)
	if err != nil {
		s.log.Warn("model request refused", "run", req.Run, "round", req.Round, "error", err)
		s.refuse(m.Reply, req.ID, err.Error())
		return
	}
	n := len(req.Calls)
	if n == 0 {
		s.send(m.Reply, &llm.Result{ID: req.ID, Done: true})
		return
	}
	x := &exchange{svc: s, req: req, reply: m.Reply, series: made.series, started: time.Now(), left: n}
	if !s.accept(x) {
		s.refuse(m.Reply, req.ID, llm.RefusedBusy)
		return
	}
	s.queue.push(func() { made.player.play(ctx, x) })
}

// accept takes a request unless the service is full or stopping.
func (s *Service) accept(x *exchange) bool {
	n := int64(x.left)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return false
	}
	if s.accepted.Add(n) > int64(s.cfg.MaxCalls) {
		s.accepted.Add(-n)
		return false
	}
	s.open[x] = struct{}{}
	x.series.inFlight.Add(float64(n))
	return true
}

func (s *Service) forget(x *exchange) {
	s.mu.Lock()
	delete(s.open, x)
	s.mu.Unlock()
}
