package coordinator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"
	"github.com/nats-io/nuid"

	"github.com/myriad-sim/myriad/internal/hosts"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Service is a running coordinator.
type Service struct {
	nc    *nats.Conn
	js    jetstream.JetStream
	log   *slog.Logger
	cfg   Config
	micro micro.Service
	runs  jetstream.KeyValue
	spent jetstream.KeyValue // usage accounts
	http  *server            // nil without HTTP

	alerts  *alerts
	metrics *metrics

	observer     *hosts.Observer
	hostsChanged chan struct{}
	peers        peers

	cancel context.CancelFunc
	done   sync.WaitGroup
	failed chan error

	lost   lost
	broker atomic.Pointer[stall] // what it said last; nil: nothing

	mu      sync.Mutex
	drivers map[string]*driver
	mine    map[string]bool // submitted here and not taken up yet: never held back
}

// New returns a coordinator on a connection. The connection is the caller's to close, after Stop.
func New(nc *nats.Conn, log *slog.Logger, cfg Config) (*Service, error) {
	if cfg.ShardSize < 1 || cfg.ShardSize > 65536 {
		return nil, fmt.Errorf("coordinator: shard size %d, want 1..65536", cfg.ShardSize)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("coordinator: jetstream: %w", err)
	}
	if cfg.ID == "" {
		cfg.ID = "coordinator-" + nuid.Next()
	}
	s := &Service{
		nc: nc, js: js, log: log.With("service", "coordinator"), cfg: cfg,
		drivers: map[string]*driver{}, mine: map[string]bool{}, failed: make(chan error, 1), alerts: newAlerts(log, time.Now()),
		hostsChanged: make(chan struct{}, 1), peers: peers{words: map[peerRun]*word{}},
	}
	s.metrics = newMetrics(s)
	s.lost.runs = map[string]string{}
	return s, nil
}

// Start takes up unfinished runs, begins to serve requests, and opens the HTTP listener if one is configured.
func (s *Service) Start(ctx context.Context) error {
	var err error
	if s.runs, err = s.js.KeyValue(ctx, subjects.BucketRuns); err != nil {
		return fmt.Errorf("coordinator: bucket %s: %w", subjects.BucketRuns, err)
	}
	if s.spent, err = s.js.KeyValue(ctx, subjects.BucketUsage); err != nil {
		return fmt.Errorf("coordinator: bucket %s: %w", subjects.BucketUsage, err)
	}
	if s.observer, err = hosts.Observe(ctx, s.nc, s.log, hosts.TTL, s.noteHosts); err != nil {
		return err
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	if s.cfg.HTTP != "" {
		if s.http, err = s.listen(run); err != nil {
			return errors.Join(err, s.Stop(ctx))
		}
	}
	if err := s.findDamage(run); err != nil {
		return errors.Join(err, s.Stop(ctx))
	}
	if err := s.serve(run); err != nil {
		return errors.Join(err, s.Stop(ctx))
	}
	if err := s.serveHosts(run); err != nil {
		return errors.Join(err, s.Stop(ctx))
	}
	s.done.Go(func() { s.watchHosts(run) })
	s.done.Go(func() { s.watchUsage(run) })
	s.done.Go(func() { s.watchBroker(run) })
	s.done.Go(func() { s.watchDamage(run) })
	s.done.Go(func() { s.watchRoom(run) })
	s.done.Go(func() { s.metrics.count(run) })
	s.done.Go(func() {
		err := runlog.Active(run, s.js, func(id string, existing bool) { s.take(run, id, existing && !s.cfg.Adopt) })
		s.fail(run, err)
	})
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

// Stop ends all work and waits for it. Runs stay as the log has them.
func (s *Service) Stop(ctx context.Context) error {
	if s.cancel == nil {
		return nil
	}
	var errs []error
	if s.http != nil {
		errs = append(errs, s.http.stop(ctx))
	}
	s.cancel()
	s.done.Wait()
	s.observer.Close()
	if s.micro != nil && !s.nc.IsClosed() {
		errs = append(errs, s.micro.Stop())
	}
	return errors.Join(errs...)
}

// take starts a driver for a run.
func (s *Service) take(ctx context.Context, id string, held bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.drivers[id] != nil || ctx.Err() != nil {
		return
	}
	d := newDriver(s, id, held && !s.mine[id])
	d.faults.found = !s.mine[id]
	delete(s.mine, id)
	s.drivers[id] = d
	s.done.Go(func() {
		err := d.follow(ctx)
		s.mu.Lock()
		delete(s.drivers, id)
		s.mu.Unlock()
		s.peers.unheard(id)
		if err != nil && ctx.Err() == nil && !errors.Is(err, errOver) {
			s.log.Error("run given up", "run", id, "error", err)
			if damaged(err) {
				s.giveUp(ctx, id, err)
			}
		}
	})
}
