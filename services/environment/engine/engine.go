package engine

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
	"github.com/nats-io/nuid"

	"github.com/myriad-sim/myriad/internal/checkpoint"
	"github.com/myriad-sim/myriad/internal/promise"
	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/environment"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Queue is the queue group of the engines: one of them gets each call.
const Queue = "environment"

// Config is what an engine is made with. Zero values are defaults.
type Config struct {
	ID    string                // of the program in the log; default: drawn
	Kinds *environment.Registry // default: the kinds that come with Myriad
	// Idle is how long a tree stays in memory after its last call; default 10 minutes.
	Idle time.Duration
	// Sweep is how often the trees of other engines are looked at for messages that nobody sends any more; default 5 s.
	Sweep time.Duration
	// MaxWaiting and MaxWaitingBytes bound the calls that wait for one tree; default 65,536 and 64 MiB. The engine as a whole
	// holds four times the bytes.
	MaxWaiting      int
	MaxWaitingBytes int64
}

func (c Config) withDefaults() Config {
	if c.ID == "" {
		c.ID = "environment"
	}
	if c.Kinds == nil {
		c.Kinds = environment.NewRegistry()
	}
	if c.Idle <= 0 {
		c.Idle = 10 * time.Minute
	}
	if c.Sweep <= 0 {
		c.Sweep = 5 * time.Second
	}
	if c.MaxWaiting <= 0 {
		c.MaxWaiting = 64 << 10
	}
	if c.MaxWaitingBytes <= 0 {
		c.MaxWaitingBytes = 64 << 20
	}
	return c
}

// Engine is a running engine.
type Engine struct {
	nc     *nats.Conn
	js     jetstream.JetStream
	log    *slog.Logger
	cfg    Config
	writer string // names this life of the engine in the log
	follow time.Duration
	nonce  atomic.Uint64

	stream  jetstream.Stream
	leader  nats.JetStreamContext // asks the stream's leader, where jetstream asks any replica
	kv      jetstream.KeyValue
	courier *courier
	holder  *promise.Holder

	checkpoints *checkpoint.Store
	tailRecords int

	passing chan struct{} // a place for each call that is passed on, or waits for its arguments
	waiting atomic.Int64  // bytes of calls

	subs   []*nats.Subscription
	quit   chan struct{}      // closed: nothing new is done
	cancel context.CancelFunc // ends everything
	done   sync.WaitGroup     // the sweep, and what is passed on
	actors sync.WaitGroup

	mu    sync.Mutex
	trees map[treeKey]*actor
	ended bool // no new actors
}

type treeKey struct{ run, root string }

// maxPassing is how many calls may wait for engines that have the code they need, or for promised arguments.
const maxPassing = 4096

// New returns an engine on a connection. The connection is the caller's to close, after Stop.
func New(nc *nats.Conn, js jetstream.JetStream, log *slog.Logger, cfg Config) *Engine {
	cfg = cfg.withDefaults()
	return &Engine{
		nc: nc, js: js, log: log, cfg: cfg, writer: cfg.ID + "." + nuid.Next(), follow: followFor, courier: newCourier(nc, log),
		passing: make(chan struct{}, maxPassing), quit: make(chan struct{}), trees: map[treeKey]*actor{}, tailRecords: checkpoint.Records,
	}
}

// Start begins to serve, and to send what others left unsent. ctx bounds starting only.
func (e *Engine) Start(ctx context.Context) (err error) {
	if e.stream, err = e.js.Stream(ctx, subjects.StreamLog); err != nil {
		return fmt.Errorf("environment: stream %s: %w", subjects.StreamLog, err)
	}
	if e.kv, err = e.js.KeyValue(ctx, subjects.BucketEnv); err != nil {
		return fmt.Errorf("environment: bucket %s: %w", subjects.BucketEnv, err)
	}
	if e.checkpoints, err = checkpoint.Open(ctx, e.js, e.log, subjects.StreamLog); err != nil {
		return fmt.Errorf("environment: %w", err)
	}
	if e.leader, err = e.nc.JetStream(); err != nil {
		return fmt.Errorf("environment: jetstream: %w", err)
	}
	if e.holder, err = promise.NewHolder(e.nc, e.log); err != nil {
		return fmt.Errorf("environment: %w", err)
	}
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	e.cancel = cancel
	defer func() {
		if err != nil { // calls may have come already
			cancel()
			_ = e.Stop(life)
		}
	}()
	serve := func(subject string, parse func(subject string) (run, env, function string, err error), handed, last bool) error {
		sub, err := e.nc.QueueSubscribe(subject, Queue, func(m *nats.Msg) {
			run, env, function, err := parse(m.Subject)
			e.receive(life, &job{m: m, run: run, env: env, function: function, handed: handed, last: last}, err)
		})
		if err != nil {
			return fmt.Errorf("environment: serve %s: %w", subject, err)
		}
		e.subs = append(e.subs, sub)
		return sub.SetPendingLimits(1<<20, 256<<20)
	}
	passed := func(subject string) (run, env, function string, err error) {
		_, run, env, function, err = subjects.ParseEnvKind(subject)
		return run, env, function, err
	}
	if err := serve(subjects.AnyRunEnvCall(), subjects.ParseEnvCall, false, false); err != nil {
		return err
	}
	if err := serve(subjects.EnvKindAll(byName(e.writer)), passed, true, false); err != nil {
		return err
	}
	for _, kind := range e.cfg.Kinds.Names() {
		if err := serve(subjects.EnvKindAll(kind), passed, true, true); err != nil {
			return err
		}
	}
	if err := e.bounded(ctx, askTime, e.nc.FlushWithContext); err != nil {
		return fmt.Errorf("environment: %w", err)
	}
	s := &sweep{e: e}
	if err := s.look(ctx, life, true); err != nil {
		return fmt.Errorf("environment: look for unsent messages: %w", err)
	}
	e.done.Go(func() { s.run(life) })
	return nil
}

// Stop ends the work: calls that were not begun are answered with ErrStopped, what is being written is waited for until ctx
// ends, and answered with ErrUnavailable then. The error is always nil.
func (e *Engine) Stop(ctx context.Context) error {
	if e.cancel == nil {
		return nil
	}
	e.mu.Lock()
	first := !e.ended
	e.ended = true
	e.mu.Unlock()
	if first {
		e.unsubscribe()
		close(e.quit)
	}
	finished := make(chan struct{})
	go func() { e.actors.Wait(); close(finished) }()
	select {
	case <-finished:
	case <-ctx.Done():
	}
	e.cancel()
	<-finished
	e.done.Wait()
	e.courier.wait()
	e.holder.Close()
	return nil
}

// unsubscribe ends the subscriptions; what has arrived is still handled where the connection is there.
func (e *Engine) unsubscribe() {
	for _, sub := range e.subs {
		if !e.nc.IsConnected() || sub.Drain() != nil {
			_ = sub.Unsubscribe() // the connection is gone, and the subscription with it
		}
	}
}

// job is a call as it came.
type job struct {
	m                  *nats.Msg
	run, env, function string
	handed             bool // passed on by another engine: it is done here
	last               bool // and for its code: if this engine lacks it too, nobody does it
	read               bool // req is there
	req                wire.Request
	args               any
	err                error // it cannot be done, for what was read
}

// receive gives a call to the actor of its tree. It runs for one call after the other and waits for nothing.
func (e *Engine) receive(life context.Context, j *job, err error) {
	if err == nil {
		err = environment.CheckName(j.env)
	}
	if err != nil {
		e.refuse(j, fmt.Errorf("%w: %w", wire.ErrBadRequest, err))
		return
	}
	size := int64(len(j.m.Data))
	if e.waiting.Add(size) > 4*e.cfg.MaxWaitingBytes {
		e.waiting.Add(-size)
		e.refuse(j, fmt.Errorf("%w: environment %s", wire.ErrCrowded, j.env))
		return
	}
	if err := e.give(life, treeKey{j.run, environment.Root(j.env)}, j, 0); err != nil {
		e.waiting.Add(-size)
		e.refuse(j, err)
	}
}

var errGone = errors.New("gone")

// give has the actor of a tree do a call, or, if j is nil, send what records up to a sequence told and nobody has delivered.
func (e *Engine) give(life context.Context, key treeKey, j *job, upto uint64) error {
	for {
		a, err := e.actor(life, key)
		if err != nil {
			return err
		}
		if err = a.push(j, upto); !errors.Is(err, errGone) {
			return err
		}
	}
}

// actor is the actor of a tree, made where there is none.
func (e *Engine) actor(life context.Context, key treeKey) (*actor, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ended {
		return nil, wire.ErrStopped
	}
	a := e.trees[key]
	if a == nil {
		a = newActor(e, key)
		e.trees[key] = a
		e.actors.Go(func() {
			a.work(life)
		})
	}
	return a, nil
}

// forget drops an actor that takes no more calls.
func (e *Engine) forget(a *actor) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.trees[a.key] == a {
		delete(e.trees, a.key)
	}
}

// refuse answers a call with an error.
func (e *Engine) refuse(j *job, err error) { e.reply(j, msg.Msg{}, err) }

func (e *Engine) reply(j *job, out msg.Msg, failure error) {
	enc := j.req.Encoding
	if !j.read { // as far as the headers tell
		enc, _ = msg.EncodingOf(j.m.Header.Get(subjects.HeaderContentType))
	}
	if err := wire.Answer(e.nc, j.m, enc, j.env, out, failure); err != nil && !e.nc.IsClosed() {
		e.log.Warn("call not answered", "run", j.run, "environment", j.env, "function", j.function, "error", err)
	}
}
