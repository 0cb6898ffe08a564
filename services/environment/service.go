package environment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"
	"github.com/nats-io/nuid"

	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
	"github.com/myriad-sim/myriad/services/environment/engine"
	"github.com/myriad-sim/myriad/services/environment/hubs"
)

// Service is a running environment service. Any number may run: of two that fold the same round one appends the state.
type Service struct {
	nc     *nats.Conn
	js     jetstream.JetStream
	log    *slog.Logger
	writer string
	micro  micro.Service
	kv     jetstream.KeyValue
	engine *engine.Engine
	hubs   *hubs.Server

	cancel context.CancelFunc
	done   sync.WaitGroup
	failed chan error
}

// New returns the service on a connection. The connection is the caller's to close, after Stop.
func New(nc *nats.Conn, log *slog.Logger, cfg Config) (*Service, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("environment: jetstream: %w", err)
	}
	if cfg.ID == "" {
		cfg.ID = "environment-" + nuid.Next()
	}
	log = log.With("service", "environment")
	return &Service{
		nc: nc, js: js, log: log, writer: cfg.ID, failed: make(chan error, 1),
		engine: engine.New(nc, js, log, engine.Config{ID: cfg.ID, Kinds: cfg.Kinds}), hubs: hubs.New(nc, js, log),
	}, nil
}

// Start begins to serve environments and hubs and to fold the rounds of all runs that are not over.
func (s *Service) Start(ctx context.Context) error {
	kv, err := s.js.KeyValue(ctx, subjects.BucketEnv)
	if err != nil {
		return fmt.Errorf("environment: bucket %s: %w", subjects.BucketEnv, err)
	}
	s.kv = kv
	if s.micro, err = micro.AddService(s.nc, micro.Config{
		Name: "environment", Version: "1.0.0", Description: "folds answers into the state of a world",
		Metadata: map[string]string{"id": s.writer},
	}); err != nil {
		return fmt.Errorf("environment: register: %w", err)
	}
	if err := s.serve(ctx); err != nil {
		return errors.Join(err, s.micro.Stop())
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	s.done.Go(func() {
		err := runlog.Active(run, s.js, func(id string, _ bool) { s.done.Go(func() { s.follow(run, id) }) })
		if run.Err() == nil {
			s.failed <- err
		}
	})
	return nil
}

// serve starts what answers requests, or leaves nothing of it running. Environments announce in hubs, so hubs start first and
// stop last.
func (s *Service) serve(ctx context.Context) error {
	if err := s.hubs.Start(ctx); err != nil {
		return err
	}
	if err := s.engine.Start(ctx); err != nil {
		return errors.Join(err, s.hubs.Stop(context.WithoutCancel(ctx)))
	}
	return nil
}

// Failed reports an error that ended the service's work.
func (s *Service) Failed() <-chan error { return s.failed }

// Stop ends all serving and folding and waits for it. What is being written is waited for until ctx ends.
func (s *Service) Stop(ctx context.Context) error {
	if s.cancel == nil {
		return nil
	}
	s.cancel()
	err := errors.Join(s.engine.Stop(ctx), s.hubs.Stop(ctx))
	s.done.Wait()
	if s.nc.IsClosed() {
		return err
	}
	return errors.Join(err, s.micro.Stop())
}

func (s *Service) follow(ctx context.Context, run string) {
	fold := runlog.NewFold(run, runlog.WithColumns())
	begun := false
	err := runlog.Drive(ctx, s.js, fold, func(h runlog.Header) error {
		if !begun && fold.Phase != runlog.PhaseNone {
			begun = true
			sc, shardSize := fold.Scenario, fold.Created.ShardSize
			s.done.Go(func() { s.giveUp(ctx, run, declared(ctx, s.nc, run, sc, shardSize)) })
		}
		return s.step(ctx, fold, h)
	})
	s.giveUp(ctx, run, err)
}

// giveUp says why a run cannot go on, if there is a reason.
func (s *Service) giveUp(ctx context.Context, run string, err error) {
	if err != nil && ctx.Err() == nil {
		s.log.Error("run given up", "run", run, "error", err)
		s.tell(ctx, runlog.Trouble{Run: run, From: "environment", Reason: err.Error(), Fatal: true})
	}
}

func (s *Service) step(ctx context.Context, fold *runlog.Fold, h runlog.Header) error {
	if h.Kind == subjects.KindEnvState {
		s.project(ctx, &fold.State)
	}
	// The end of what there was at the start calls for a new world, and every control record after the one that closes a round,
	// for it came instead of the world; not each late answer or message.
	if fold.Phase != runlog.PhaseClosed || h.Kind != "" && fold.CtlSeq != fold.Seq {
		return nil
	}
	next, err := nextWorld(&fold.State, fold.Columns())
	if err != nil {
		return fmt.Errorf("round %d: %w", fold.Round, err)
	}
	return s.record(ctx, fold, next)
}

// record appends a world to the log, however long the log cannot be reached. Where another record has come first there is
// nothing to do: it calls for the next step.
func (s *Service) record(ctx context.Context, fold *runlog.Fold, world runlog.EnvState) error {
	head := runlog.Header{Kind: subjects.KindEnvState, Run: fold.Run, Round: fold.Round, Writer: s.writer}
	for {
		_, err := runlog.AppendControl(ctx, s.js, head, world, fold.CtlSeq)
		switch {
		case err == nil, errors.Is(err, runlog.ErrConflict):
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case runlog.Refused(err):
			return err
		}
		s.log.Warn("world not recorded, trying again", "run", fold.Run, "round", fold.Round, "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(retryPause):
		}
	}
}

// retryPause is the pause before a world is appended to the log again.
const retryPause = 500 * time.Millisecond

// projection is the value of a world in the bucket of environments.
type projection struct {
	Run      string             `json:"run"`
	Round    int                `json:"round"`
	Seq      uint64             `json:"seq"` // of the log record it is the projection of
	World    map[string]float64 `json:"world"`
	Previous map[string]float64 `json:"previous"`
}

// project puts a state that is in the log into the bucket. The log is the truth: a failure here costs readers freshness.
func (s *Service) project(ctx context.Context, st *runlog.State) {
	data, err := json.Marshal(projection{Run: st.Run, Round: st.Round, Seq: st.Seq, World: st.World, Previous: st.Previous})
	if err == nil {
		_, err = s.kv.Put(ctx, subjects.Encode(st.Run)+".world", data)
	}
	if err != nil && ctx.Err() == nil {
		s.log.Warn("world not projected", "run", st.Run, "round", st.Round, "error", err)
	}
}

// tell reports to a coordinator until it is heard.
func (s *Service) tell(ctx context.Context, t runlog.Trouble) {
	data, err := json.Marshal(t)
	if err != nil {
		s.log.Error("trouble not encoded", "run", t.Run, "error", err)
		return
	}
	for ctx.Err() == nil {
		ask, cancel := context.WithTimeout(ctx, 2*time.Second)
		_, err := s.nc.RequestWithContext(ask, subjects.Service("coordinator", "trouble"), data)
		cancel()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}
