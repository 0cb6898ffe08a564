package actor

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

	"github.com/myriad-sim/myriad/internal/checkpoint"
	"github.com/myriad-sim/myriad/internal/promise"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Runtime serves the code agents of one host. Its methods are safe for concurrent use.
type Runtime struct {
	nc       *nats.Conn
	js       jetstream.JetStream
	log      *slog.Logger
	cfg      Config
	begun    time.Time
	client   *agent.Client // of no run; those of runs and agents share what it has
	producer *promise.Producer
	slots    slots
	load     load
	outcomes *outcomes
	children children

	checkpoints *checkpoint.Store
	saving      chan struct{} // has a place for the checkpoint that is being written
	tailRecords int           // that are enough for a checkpoint

	failed chan error
	fenced atomic.Bool // another program writes the log of this host: nothing more is answered

	subs    []*nats.Subscription
	cancel  context.CancelCauseFunc // ends the handlers; nil unless started
	abandon context.CancelFunc      // ends the appending
	append  func(subject string, record []byte, expect uint64) (uint64, error)
	pause   func(time.Duration) bool // waits; false when appending is given up
	putAway func(*journal)           // has a checkpoint written
	tasks   sync.WaitGroup

	mu      sync.Mutex
	stopped bool
	runs    map[string]*run
}

// stopGrace is how long handlers have to end after what they wait for has been taken away.
const stopGrace = 500 * time.Millisecond

// New returns a runtime on a connection. The connection is the caller's to close, after Stop.
func New(nc *nats.Conn, log *slog.Logger, cfg Config) (*Runtime, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("actor: jetstream: %w", err)
	}
	rt := &Runtime{
		nc: nc, js: js, log: log.With("host", cfg.Host), cfg: cfg, begun: time.Now(), failed: make(chan error, 1), runs: map[string]*run{},
		slots: newSlots(cfg.Workers), load: load{most: cfg.MaxWaiting, mostBytes: cfg.MaxWaitingBytes},
		outcomes: newOutcomes(maxOutcomes, cfg.KeepBytes),
		saving:   make(chan struct{}, 1), tailRecords: checkpoint.Records,
	}
	return rt, nil
}

// Start brings the host's agents back from the log and begins to serve them. Requests that arrive meanwhile wait.
func (rt *Runtime) Start(ctx context.Context) error {
	var err error
	if rt.client, err = agent.NewClient(rt.nc, "", rt.log); err != nil {
		return fmt.Errorf("actor: %w", err)
	}
	if rt.checkpoints, err = checkpoint.Open(ctx, rt.js, rt.log, subjects.StreamLog); err != nil {
		rt.client.Close()
		return fmt.Errorf("actor: %w", err)
	}
	rt.producer, err = promise.NewProducer(rt.nc, rt.log, rt.cfg.Incarnation, promise.Config{Keep: rt.cfg.Keep, KeepBytes: rt.cfg.KeepBytes})
	if err != nil {
		rt.client.Close()
		return fmt.Errorf("actor: %w", err)
	}
	work, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	rt.cancel = cancel
	appending, abandon := context.WithCancel(context.WithoutCancel(ctx))
	rt.abandon = abandon
	rt.append = func(subject string, record []byte, expect uint64) (uint64, error) {
		return runlog.AppendNext(appending, rt.js, subjects.StreamLog, subject, record, expect)
	}
	rt.pause = func(d time.Duration) bool {
		select {
		case <-time.After(d):
		case <-appending.Done():
		}
		return appending.Err() == nil
	}
	rt.putAway = func(j *journal) { rt.save(work, j) }
	ready := make(chan struct{})
	if err := rt.listen(work, ready); err != nil {
		return errors.Join(err, rt.Stop(ctx))
	}
	if err := rt.restore(ctx, work); err != nil {
		return errors.Join(err, rt.Stop(ctx))
	}
	close(ready)
	return nil
}

// listen subscribes to the agents and to the host. What comes before ready is closed waits in the subscriptions.
func (rt *Runtime) listen(ctx context.Context, ready <-chan struct{}) error {
	for subject, take := range map[string]func(context.Context, *nats.Msg){
		subjects.CodeAll(rt.cfg.Host): rt.receive,
		subjects.HostAll(rt.cfg.Host): rt.manage,
	} {
		sub, err := rt.nc.Subscribe(subject, func(m *nats.Msg) {
			if !rt.enter() {
				rt.answerRaw(m, wire.ErrStopped)
				return
			}
			defer rt.tasks.Done()
			select {
			case <-ready:
			case <-ctx.Done():
			}
			if ctx.Err() != nil {
				rt.answerRaw(m, wire.ErrStopped)
				return
			}
			take(ctx, m)
		})
		if err != nil {
			return fmt.Errorf("actor: subscribe: %w", err)
		}
		rt.subs = append(rt.subs, sub)
		if err := sub.SetPendingLimits(-1, max(nats.DefaultSubPendingBytesLimit, int(rt.cfg.MaxWaitingBytes))); err != nil {
			return fmt.Errorf("actor: subscribe: %w", err)
		}
	}
	if err := rt.nc.Flush(); err != nil {
		return fmt.Errorf("actor: subscribe: %w", err)
	}
	return nil
}

// Failed reports an error that ended the runtime's work, such as another program with the same host id.
func (rt *Runtime) Failed() <-chan error { return rt.failed }

// Producer keeps the promises of the host. It is there between Start and Stop.
func (rt *Runtime) Producer() *promise.Producer { return rt.producer }

// Resolve waits for what is promised among messages, for agents that are not the runtime's own. It works between Start and Stop.
func (rt *Runtime) Resolve(ctx context.Context, in ...msg.Msg) ([]msg.Msg, error) {
	return rt.client.ResolveAll(ctx, in...)
}

// Agents is the number of agents on the host, of all runs.
func (rt *Runtime) Agents() (n int) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	for _, r := range rt.runs {
		n += r.size()
	}
	return n
}

// Stop ends the handlers, whose requests get ErrStopped, waits until what had finished is in the log and answered, and
// returns when nothing of the runtime runs. When ctx ends, what is not in the log by then is given up.
func (rt *Runtime) Stop(ctx context.Context) error {
	if rt.cancel == nil {
		return nil
	}
	rt.mu.Lock()
	rt.stopped = true
	rt.mu.Unlock()
	rt.cancel(wire.ErrStopped)
	if !rt.nc.IsConnected() {
		rt.abandon() // there is nobody to append with
	}
	stop := context.AfterFunc(ctx, rt.abandon)
	defer stop()
	done := make(chan struct{})
	go func() {
		rt.tasks.Wait()
		close(done)
	}()
	var errs []error
	select {
	case <-done:
	case <-ctx.Done():
		select {
		case <-done:
		case <-time.After(stopGrace):
			errs = append(errs, fmt.Errorf("actor: an agent of host %s does not end: %w", rt.cfg.Host, context.Cause(ctx)))
		}
	}
	for _, sub := range rt.subs {
		if err := sub.Unsubscribe(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
			errs = append(errs, fmt.Errorf("actor: unsubscribe: %w", err))
		}
	}
	rt.abandon()
	rt.producer.Close()
	rt.client.Close()
	rt.cancel = nil
	return errors.Join(errs...)
}

// spawn runs fn on a goroutine that Stop waits for, and reports whether it did: not after Stop.
func (rt *Runtime) spawn(fn func()) bool {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if !rt.stopped {
		rt.tasks.Go(fn)
	}
	return !rt.stopped
}

// enter is spawn for work on the caller's own goroutine, which calls tasks.Done at its end.
func (rt *Runtime) enter() bool {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if !rt.stopped {
		rt.tasks.Add(1)
	}
	return !rt.stopped
}

// fail ends the runtime's work for good.
func (rt *Runtime) fail(err error) {
	rt.fenced.Store(true)
	rt.cancel(err)
	select {
	case rt.failed <- err:
	default:
	}
}
