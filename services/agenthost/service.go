package agenthost

import (
	"context"
	"encoding/json"
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

	"github.com/myriad-sim/myriad/internal/hosts"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Service is a running agent host.
type Service struct {
	nc  *nats.Conn
	js  jetstream.JetStream
	log *slog.Logger
	cfg Config

	beat     hosts.Beat
	flight   *semaphore.Weighted // agents that wait for a model
	direct   *semaphore.Weighted // messages to single agents under way
	inFlight atomic.Int64
	asker    *asker
	appender *appender
	micro    micro.Service
	register jetstream.KeyValue

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
	if cfg.Batch < 1 || cfg.Batch > runlog.MaxChunk {
		return nil, fmt.Errorf("agenthost: batch of %d calls, want 1..%d", cfg.Batch, runlog.MaxChunk)
	}
	if cfg.InFlight < cfg.Batch {
		return nil, fmt.Errorf("agenthost: %d agents in flight is less than a batch of %d", cfg.InFlight, cfg.Batch)
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
	return &Service{
		nc: nc, js: js, log: log.With("service", "agenthost", "host", cfg.ID), cfg: cfg,
		flight: semaphore.NewWeighted(int64(cfg.InFlight)), direct: semaphore.NewWeighted(maxDirect), runs: map[string]*held{}, failed: make(chan error, 1),
		beat: hosts.Beat{
			ID: cfg.ID, Incarnation: incarnation, Address: address, PID: os.Getpid(), Started: time.Now().UTC(),
			CPUs: runtime.GOMAXPROCS(0),
		},
	}, nil
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
	s.register = register
	if s.appender, err = newAppender(s.nc, s.log); err != nil {
		return err
	}
	if s.asker, err = newAsker(s.nc, s.log, s.cfg); err != nil {
		return err
	}
	if s.micro, err = micro.AddService(s.nc, micro.Config{
		Name: "agenthost", Version: "1.0.0", Description: "owns and runs agents",
		Metadata: map[string]string{"id": s.beat.ID, "incarnation": s.beat.Incarnation},
	}); err != nil {
		return fmt.Errorf("agenthost: register: %w", err)
	}
	err = s.micro.AddEndpoint("info", micro.HandlerFunc(func(req micro.Request) {
		if err := req.RespondJSON(s.now()); err != nil {
			s.log.Warn("info not answered", "error", err)
		}
	}), micro.WithEndpointSubject(subjects.Service("agenthost", "info")))
	if err != nil {
		return fmt.Errorf("agenthost: register: %w", err)
	}
	// Leases are given to this incarnation, so none can be older than this start.
	from := info.State.LastSeq + 1
	if err := hosts.Put(ctx, s.register, s.now()); err != nil {
		return err
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	s.done.Go(func() { s.announce(run) })
	s.done.Go(func() { s.fail(run, s.discover(run, from)) })
	return nil
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
	var errs []error
	if s.nc.IsConnected() {
		errs = append(errs, hosts.Remove(ctx, s.register, s.beat.Incarnation), s.micro.Stop())
	}
	s.cancel()
	s.mu.Lock()
	s.stopped = true
	for _, h := range s.runs {
		h.run.silence()
	}
	s.mu.Unlock()
	errs = append(errs, s.asker.close(ctx), s.appender.close(ctx))
	s.done.Wait()
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

func (s *Service) now() hosts.Beat {
	b := s.beat
	b.InFlight = int(s.inFlight.Load())
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.MemoryBytes = m.Sys
	s.mu.Lock()
	for _, h := range s.runs {
		b.Agents += h.run.agents()
	}
	s.mu.Unlock()
	return b
}

func (s *Service) announce(ctx context.Context) {
	t := time.NewTicker(s.cfg.Heartbeat)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if err := hosts.Put(ctx, s.register, s.now()); err != nil && ctx.Err() == nil {
				s.log.Warn("heartbeat not written", "error", err)
			}
		}
	}
}

// discover watches for leases of any run to this incarnation and takes up the runs.
func (s *Service) discover(ctx context.Context, from uint64) error {
	filter := []string{subjects.AnyRunCtlKind(subjects.KindLease)}
	return runlog.Follow(ctx, s.js, from, filter, nil, func(e runlog.Entry) error {
		l, h, err := runlog.DecodeLease(e.Data)
		if err != nil {
			s.log.Error("lease dropped", "subject", e.Subject, "error", err)
			return nil
		}
		if l.Incarnation == s.beat.Incarnation {
			s.take(ctx, h.Run)
		}
		return nil
	})
}

func (s *Service) take(ctx context.Context, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.runs[id] != nil {
		return
	}
	r := newRun(s, id)
	ctx, cancel := context.WithCancel(ctx)
	s.runs[id] = &held{run: r, cancel: cancel}
	s.done.Go(func() {
		if err := r.follow(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("run given up", "run", id, "error", err)
			r.halt(err.Error())
		}
	})
	s.done.Go(func() { _ = r.dispatch(ctx) }) // ends with ctx only
}

// ended keeps an ended run for questions to its agents, and forgets the oldest kept one beyond the limit.
func (s *Service) ended(r *run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.past = append(s.past, r.id)
	for len(s.past) > s.cfg.KeepRuns {
		old := s.past[0]
		s.past = s.past[1:]
		if h := s.runs[old]; h != nil {
			h.run.silence()
			h.cancel()
			delete(s.runs, old)
		}
	}
}

// tellTimeout bounds one try to reach a coordinator.
const tellTimeout = 2 * time.Second

// tell reports to a coordinator that a run cannot go on; it is told again until the run is paused.
func (s *Service) tell(ctx context.Context, r *run, reason string) {
	ask, cancel := context.WithTimeout(ctx, tellTimeout)
	defer cancel()
	data, err := json.Marshal(runlog.Trouble{Run: r.id, From: s.beat.ID, Reason: reason})
	if err == nil {
		_, err = s.nc.RequestWithContext(ask, subjects.Service("coordinator", "trouble"), data)
	}
	if err != nil && ctx.Err() == nil {
		s.log.Warn("coordinator not told of trouble", "run", r.id, "reason", reason, "error", err)
	}
	time.AfterFunc(time.Second, r.wake)
}
