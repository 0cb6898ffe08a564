package bgen

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"

	"github.com/myriad-sim/myriad/internal/objects"
	"github.com/myriad-sim/myriad/internal/population/remote"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// flushTimeout bounds the wait for the server to take the subscriptions.
const flushTimeout = 10 * time.Second

// errStopping is the cause of work that is given up because the service ends.
var errStopping = errors.New("bgen is stopping")

// Service draws populations on request. Its methods are safe for concurrent use. It can be started once.
type Service struct {
	nc      *nats.Conn
	log     *slog.Logger
	cfg     Config
	store   jetstream.ObjectStore
	micro   micro.Service
	workers chan struct{} // holds a token for each population being drawn
	drawing locks         // by hash: held while a population is looked up, drawn and stored
	usage   usage

	giveUp context.CancelCauseFunc // ends all work
	work   sync.WaitGroup

	tidyEach   time.Duration
	abandoned  time.Duration // after so long a pause nobody goes on storing
	endTidying context.CancelFunc
	tidying    sync.WaitGroup

	mu       sync.Mutex
	started  bool
	stopping bool
	admitted int // requests in work or waiting
}

// New returns a service on a connection, which stays the caller's: it must be open until Stop has returned. Error:
// ErrConfig.
func New(nc *nats.Conn, log *slog.Logger, cfg Config) (*Service, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	return &Service{
		nc: nc, log: log.With("service", subjects.ServiceBgen), cfg: cfg, workers: make(chan struct{}, cfg.Workers),
		tidyEach: objects.Abandoned, abandoned: objects.Abandoned,
	}, nil
}

// Start begins to answer requests. The object store must exist. The context bounds starting only.
func (s *Service) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started {
		return errors.New("bgen: started before")
	}
	js, err := jetstream.New(s.nc)
	if err != nil {
		return fmt.Errorf("bgen: jetstream: %w", err)
	}
	if s.store, err = js.ObjectStore(ctx, subjects.StorePersonas); err != nil {
		return fmt.Errorf("bgen: object store %s: %w", subjects.StorePersonas, err)
	}
	s.micro, err = micro.AddService(s.nc, micro.Config{
		Name: subjects.ServiceBgen, Version: "1.0.0", Description: "draws populations and stores them",
		StatsHandler: func(*micro.Endpoint) any { return s.usage.read() },
		ErrorHandler: func(_ micro.Service, err *micro.NATSError) { s.log.Error("subscription failed", "error", err) },
	})
	if err != nil {
		return fmt.Errorf("bgen: register: %w", err)
	}
	work, giveUp := context.WithCancelCause(context.WithoutCancel(ctx))
	err = s.micro.AddEndpoint(remote.Endpoint, micro.ContextHandler(work, s.accept),
		micro.WithEndpointSubject(subjects.Service(subjects.ServiceBgen, remote.Endpoint)),
		micro.WithEndpointQueueGroup(subjects.ServiceBgen))
	if err == nil {
		// Once the server has the subscription, a request cannot miss it.
		flush, cancel := context.WithTimeout(ctx, flushTimeout)
		defer cancel()
		err = s.nc.FlushWithContext(flush)
	}
	if err != nil {
		giveUp(errStopping)
		return errors.Join(fmt.Errorf("bgen: register: %w", err), s.micro.Stop())
	}
	s.giveUp, s.started = giveUp, true
	tidying, end := context.WithCancel(work)
	s.endTidying = end
	s.tidying.Go(func() { s.tidy(tidying, js) })
	return nil
}

// Stop takes no more requests and finishes those it has, until ctx ends; then it gives them up, which their requesters
// are told. Nothing of the service runs when it returns. Stopping again, or before Start, does nothing.
func (s *Service) Stop(ctx context.Context) error {
	s.mu.Lock()
	if !s.started || s.stopping {
		s.mu.Unlock()
		return nil
	}
	s.stopping = true
	s.mu.Unlock()
	s.endTidying()
	s.tidying.Wait()
	err := s.micro.Stop()
	defer s.giveUp(errStopping)
	release := context.AfterFunc(ctx, func() { s.giveUp(errStopping) })
	defer release()
	s.work.Wait()
	if err != nil {
		return fmt.Errorf("bgen: stop: %w", err)
	}
	return nil
}
