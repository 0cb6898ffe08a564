package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/environment/value"
	"github.com/myriad-sim/myriad/pkg/subjects"
	"github.com/myriad-sim/myriad/services/environment/engine/tree"
)

// actor does the calls of one tree. What is not under mu belongs to its goroutine.
type actor struct {
	e       *Engine
	key     treeKey
	subject string // of the log
	log     *slog.Logger

	mu      sync.Mutex
	arrived []*job
	bytes   int64
	acked   []tree.Ref // messages that were delivered, and are not marked yet
	adopt   uint64     // send what records up to this one told, whoever was to send it
	closed  bool       // takes nothing any more

	wake    chan struct{} // something is under mu
	written chan written  // how the flight ended
	tree    *tree.Tree    // nil until it was read
	partial *tree.Tree    // as far as it was read
	leader  string        // the engine whose record was read last
	follow  time.Time     // until then calls go to the leader
	orphans uint64        // what adopt was
	backlog []*job        // in order, to be evaluated
	next    *group        // evaluated on top of flight
	flight  *group        // being written
	marks   []tree.Ref    // to be written
	since   time.Time     // the first of them came
	sending map[tree.Ref]bool
	view    projection
	tail    tail
	used    time.Time // the last call
	timer   *time.Timer
}

func newActor(e *Engine, key treeKey) *actor {
	return &actor{
		e: e, key: key, subject: subjects.LogEnv(key.run, key.root), log: e.log.With("run", key.run, "environment", key.root),
		wake: make(chan struct{}, 1), written: make(chan written, 1), next: &group{}, sending: map[tree.Ref]bool{},
		timer: time.NewTimer(time.Hour), used: time.Now(),
	}
}

// push puts a call, or the wish that what records up to a sequence told is sent, where the actor finds it. Errors: errGone,
// ErrCrowded.
func (a *actor) push(j *job, upto uint64) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.closed:
		return errGone
	case j == nil:
		a.adopt = max(a.adopt, upto)
	case len(a.arrived) >= a.e.cfg.MaxWaiting || a.bytes >= a.e.cfg.MaxWaitingBytes:
		return fmt.Errorf("%w: %d calls wait for environment %s", wire.ErrCrowded, len(a.arrived), a.key.root)
	default:
		a.arrived = append(a.arrived, j)
		a.bytes += int64(len(j.m.Data))
	}
	a.signal()
	return nil
}

func (a *actor) signal() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// delivered notes that a message has reached its receiver.
func (a *actor) delivered(r tree.Ref) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.acked = append(a.acked, r)
	a.signal()
}

// take fetches what came. Calls stay where they are counted while others are before them.
func (a *actor) take() {
	a.mu.Lock()
	acked := a.acked
	a.orphans, a.adopt, a.acked = max(a.orphans, a.adopt), 0, nil
	var arrived []*job
	if len(a.backlog) == 0 || a.closed {
		arrived, a.arrived, a.bytes = a.arrived, nil, 0
	}
	a.mu.Unlock()
	if len(a.marks) == 0 && len(acked) > 0 {
		a.since = time.Now()
	}
	a.marks = append(a.marks, acked...)
	if len(arrived) > 0 {
		a.used = time.Now()
		for _, j := range arrived {
			a.e.waiting.Add(-int64(len(j.m.Data)))
		}
		a.backlog = append(a.backlog, arrived...)
	}
}

// again has the actor look once more if calls came while others were before them.
func (a *actor) again() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.backlog) == 0 && len(a.arrived) > 0 {
		a.signal()
	}
}

// work does calls until the engine stops or nothing was to be done for long.
func (a *actor) work(ctx context.Context) {
	defer a.e.forget(a)
	defer a.timer.Stop()
	defer a.view.done.Wait()
	for {
		a.take()
		if a.tree == nil && (a.orphans > 0 || len(a.backlog) > 0 || len(a.marks) > 0 && time.Now().After(a.since)) {
			a.load(ctx)
		}
		if a.tree != nil {
			a.care(ctx)
		}
		if a.tree != nil {
			a.evaluate(ctx)
			if a.flight == nil {
				a.launch(ctx)
			}
		}
		a.again()
		if !a.timed() {
			return
		}
		select {
		case <-a.wake:
		case w := <-a.written:
			a.landed(ctx, w)
		case <-a.timer.C:
		case <-a.e.quit:
			a.finish(ctx)
			return
		}
	}
}

// timed sets the timer to when something is due next. It is false if the actor has come to its end.
func (a *actor) timed() bool {
	now := time.Now()
	idle := a.e.cfg.Idle
	if a.tree == nil || !a.tree.Exists() && a.tree.Waiting() == 0 {
		idle = min(idle, time.Second) // names that nobody made cost little
	}
	due := a.used.Add(idle)
	busy := a.flight != nil || len(a.next.done) > 0 || len(a.backlog) > 0 || len(a.marks) > 0 || len(a.sending) > 0 || a.view.dirty || a.orphans > 0
	if !busy && !now.Before(due) && a.close() {
		return false
	}
	if busy {
		due = now.Add(idle)
	}
	if len(a.marks) > 0 && a.flight == nil {
		due = earlier(due, a.since.Add(markEach))
	}
	if a.view.dirty && a.tree != nil && a.flight == nil {
		due = earlier(due, a.view.due)
	}
	a.timer.Reset(max(time.Until(due), time.Millisecond))
	return true
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// close takes nothing any more, unless something has just come.
func (a *actor) close() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.arrived) > 0 || len(a.acked) > 0 || a.adopt > 0 {
		return false
	}
	a.closed = true
	return true
}

// care sends what others told and did not deliver, once all that is read that the wish is about.
func (a *actor) care(ctx context.Context) {
	if a.orphans == 0 {
		return
	}
	if a.tree.Seq() < a.orphans {
		if a.flight != nil || a.tree.Mark() > 0 {
			return // what is being written finds out
		}
		if _, err := a.read(ctx); errors.Is(err, errBehind) {
			a.tree = nil
			a.signal()
			return
		} else if err != nil {
			a.log.Warn("environment not read", "error", err)
			a.tree, a.orphans = nil, 0 // the next sweep asks again
			return
		}
	}
	upto := a.orphans
	a.orphans = 0
	a.send(ctx, slices.DeleteFunc(a.tree.Undelivered(), func(f *tree.Effect) bool { return f.Seq > upto }))
}

// finish answers what was not begun and waits for what is being written.
func (a *actor) finish(ctx context.Context) {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.take()
	stopped := func(jobs []*job) {
		for _, j := range jobs {
			a.e.refuse(j, wire.ErrStopped)
		}
	}
	if a.tree != nil && a.flight == nil {
		a.tree.Undo(0)
	}
	stopped(a.next.jobs())
	stopped(a.backlog)
	a.next, a.backlog = &group{}, nil
	if a.flight != nil {
		a.landed(ctx, <-a.written)
		stopped(a.backlog) // another engine was first
		a.backlog = nil
	}
	if a.tree == nil {
		return
	}
	a.tree.Undo(0)
	a.since = time.Time{}
	if a.launch(ctx); a.flight != nil { // so that nobody sends again what was delivered
		a.landed(ctx, <-a.written)
	}
	if a.tree != nil && a.view.dirty && a.e.nc.IsConnected() {
		a.project(ctx)
	}
}

// prepare reads the request of a call; what is wrong with it is kept in j.err.
func (j *job) prepare() {
	if j.read {
		return
	}
	j.read = true
	if j.req, j.err = wire.Read(j.m); j.err != nil {
		return
	}
	switch len(j.req.Msgs) {
	case 0:
		return
	case 1:
	default:
		j.err = fmt.Errorf("%w: %d messages; a call holds one, with its arguments", wire.ErrBadRequest, len(j.req.Msgs))
		return
	}
	if !j.req.Msgs[0].Pending() {
		j.bind()
	}
}

// bind takes the arguments out of the message of a call.
func (j *job) bind() {
	j.args = value.Of(j.req.Msgs[0].Content)
}

// promised reports whether the arguments of a call do not exist yet.
func (j *job) promised() bool { return len(j.req.Msgs) == 1 && j.req.Msgs[0].Pending() }

func (j *job) call() *tree.Call {
	return &tree.Call{Env: j.env, Function: j.function, Args: j.args, Caller: j.req.Sender, ID: j.req.ID}
}
