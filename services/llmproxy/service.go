package llmproxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Service answers model calls from the bus. Make one with New; Start and Stop are called once each.
type Service struct {
	nc      *nats.Conn
	log     *slog.Logger
	cfg     Config
	metrics *metrics
	players players
	openai  *openaiProvider
	agents  *agentProvider
	replay  *replayProvider
	forward *forwarder
	roll    *roll
	queue   *queue // what accepted requests need done
	words   *queue // what requesters are told at once: taken or refused
	timers  *timers

	mu       sync.Mutex
	started  bool
	stopping bool

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
		nc: nc, log: log, cfg: cfg, metrics: newMetrics(), queue: newQueue(), words: newQueue(), timers: new(timers),
		roll: &roll{maxCalls: int64(cfg.MaxCalls), maxBytes: cfg.MaxBytes},
	}
	var err error
	if s.openai, err = newOpenAI(log, cfg, s.queue); err != nil {
		return nil, err
	}
	s.agents = &agentProvider{log: log, cfg: cfg, queue: s.queue, patience: firstPatience}
	s.replay = newReplay(log, cfg)
	s.forward = newForwarder(nc, log, cfg, s.openai.keys, s.openai.prices, s.openai.client)
	s.players = players{
		metrics: s.metrics, known: map[string]prepared{},
		providers: map[string]provider{
			"dummy":    dummyProvider{s.timers, s.queue},
			"levelk":   levelkProvider{},
			"scripted": scriptedProvider{},
			"openai":   s.openai,
			"agent":    s.agents,
			"replay":   s.replay,
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
	if err := s.openai.start(ctx, s.nc); err != nil {
		return errors.Join(err, s.Stop(ctx))
	}
	if err := s.agents.start(ctx, s.nc); err != nil {
		return errors.Join(err, s.Stop(ctx))
	}
	if err := s.replay.start(s.nc); err != nil {
		return errors.Join(err, s.Stop(ctx))
	}
	if err := s.forward.start(ctx, s.openai.book); err != nil {
		return errors.Join(err, s.Stop(ctx))
	}
	for range max(2, runtime.GOMAXPROCS(0)) {
		s.running.Go(s.queue.work)
	}
	s.running.Go(s.words.work)
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
	// At a limit the client would drop requests, and their senders would take the proxy for dead. Receive keeps up, and the
	// roll is the bound.
	if err := sub.SetPendingLimits(-1, -1); err != nil {
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
	s.roll.close()
	err := errors.Join(s.unsubscribe(ctx), s.forward.stop(ctx))
	s.cancel()
	s.timers.stop()
	s.queue.close()
	s.words.close()
	s.running.Wait()
	s.agents.close()
	s.replay.close()
	err = errors.Join(err, s.openai.close(ctx, s.nc.IsConnected()))
	for _, x := range s.roll.open() {
		x.abandon()
	}
	if s.nc.IsConnected() {
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
		err = errors.Join(err, drain(ctx, s.nc, s.sub))
	}
	if s.nc.IsClosed() {
		return nil // the subscription ended with the connection
	}
	return err
}

// drain returns when no message is being received any more; those that had arrived have been.
func drain(ctx context.Context, nc *nats.Conn, sub *nats.Subscription) error {
	if nc.IsClosed() {
		return nil // the subscription ended with the connection
	}
	if !nc.IsConnected() {
		return sub.Unsubscribe() // draining would wait for a broker that is not there
	}
	ended := make(chan struct{})
	sub.SetClosedHandler(func(string) { close(ended) })
	if err := sub.Drain(); err != nil {
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
