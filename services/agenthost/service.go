package agenthost

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"
	"github.com/nats-io/nuid"
	"golang.org/x/sync/semaphore"

	"github.com/myriad-sim/myriad/internal/actor"
	"github.com/myriad-sim/myriad/internal/hosts"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Service is a running agent host.
type Service struct {
	nc  *nats.Conn
	js  jetstream.JetStream
	log *slog.Logger
	cfg Config

	beat     hosts.Beat
	flight   *gate               // agents that wait for a model
	direct   *semaphore.Weighted // messages to single agents under way
	asker    *asker
	appender *appender
	code     *actor.Runtime // code agents
	micro    micro.Service
	register jetstream.KeyValue
	stream   jetstream.Stream // the run log
	beats    beats
	draining atomic.Bool

	cancel context.CancelFunc
	done   sync.WaitGroup
	failed chan error

	mu      sync.Mutex
	stopped bool
	runs    map[string]*held
	past    []string // ended runs, oldest first
}

// maxDirect bounds the messages to single agents that a host handles at once.
const maxDirect = 1024

// held is a run and what ends its goroutines.
type held struct {
	run    *run
	cancel context.CancelFunc
}

// New returns a host on a connection. The connection is the caller's to close, after Stop.
func New(nc *nats.Conn, log *slog.Logger, cfg Config) (*Service, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("agenthost: jetstream: %w", err)
	}
	incarnation := nuid.Next()
	if cfg.ID == "" {
		cfg.ID = "host-" + incarnation[len(incarnation)-6:]
	}
	address, err := os.Hostname()
	if err != nil {
		address = "unknown"
	}
	s := &Service{
		nc: nc, js: js, log: log.With("service", "agenthost", "host", cfg.ID), cfg: cfg,
		flight: newGate(int64(cfg.InFlight)), direct: semaphore.NewWeighted(maxDirect), runs: map[string]*held{}, failed: make(chan error, 1),
		beats: beats{fence: &fence{began: time.Now()}, soon: make(chan struct{}, 1)},
		beat: hosts.Beat{
			ID: cfg.ID, Incarnation: incarnation, Address: address, PID: os.Getpid(), Started: time.Now().UTC(),
			CPUs: runtime.GOMAXPROCS(0),
		},
	}
	return s, s.newCode()
}

// Start announces the host and begins to take leases.
func (s *Service) Start(ctx context.Context) error {
	register, err := s.js.KeyValue(ctx, subjects.BucketHosts)
	if err != nil {
		return fmt.Errorf("agenthost: bucket %s: %w", subjects.BucketHosts, err)
	}
	stream, err := s.js.Stream(ctx, subjects.StreamLog)
	if err != nil {
		return fmt.Errorf("agenthost: stream %s: %w", subjects.StreamLog, err)
	}
	info, err := stream.Info(ctx)
	if err != nil {
		return fmt.Errorf("agenthost: stream %s: %w", subjects.StreamLog, err)
	}
	s.register, s.stream = register, stream
	if s.appender, err = newAppender(s.nc, s.log); err != nil {
		return err
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	if err := s.open(ctx); err != nil {
		return errors.Join(err, s.Stop(ctx))
	}
	s.done.Go(func() { s.announce(run) })
	s.done.Go(func() { s.watchCode(run) })
	// Leases are given to this incarnation, so none can be older than this start.
	s.done.Go(func() { s.fail(run, s.discover(run, info.State.LastSeq+1)) })
	return nil
}

// open makes the host reachable and announces it.
func (s *Service) open(ctx context.Context) error {
	var err error
	if s.asker, err = newAsker(s.nc, s.log, s.cfg); err != nil {
		return err
	}
	if err := s.code.Start(ctx); err != nil {
		return err
	}
	if s.micro, err = micro.AddService(s.nc, micro.Config{
		Name: "agenthost", Version: "1.0.0", Description: "owns and runs agents",
		Metadata: map[string]string{"id": s.beat.ID, "incarnation": s.beat.Incarnation},
	}); err != nil {
		return fmt.Errorf("agenthost: register: %w", err)
	}
	if err := s.serveMicro(); err != nil {
		return err
	}
	return s.say(ctx)
}

// Failed reports an error that ended the service's work.
func (s *Service) Failed() <-chan error { return s.failed }

func (s *Service) fail(ctx context.Context, err error) {
	if err == nil || ctx.Err() != nil {
		return
	}
	select {
	case s.failed <- err:
	default:
	}
}

// Stop takes the host off the register, ends its runs and waits for its goroutines. What is in flight is given up.
func (s *Service) Stop(ctx context.Context) error {
	if s.cancel == nil {
		return nil
	}
	errs := []error{s.code.Stop(ctx)} // first: its agents use what comes after
	connected := s.nc.IsConnected()
	if connected {
		s.leave(ctx)
		if s.micro != nil {
			errs = append(errs, s.micro.Stop())
		}
	}
	s.cancel()
	s.appender.hurry()
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	if s.asker != nil {
		errs = append(errs, s.asker.close())
	}
	s.done.Wait()
	s.appender.close(ctx, connected)
	s.cancel = nil
	return errors.Join(errs...)
}

// goUnlessStopped runs fn on a goroutine that Stop waits for, and reports whether it did.
func (s *Service) goUnlessStopped(fn func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.done.Go(fn)
	}
	return !s.stopped
}
