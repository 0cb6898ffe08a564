package coordinator

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/population"
	"github.com/myriad-sim/myriad/internal/population/remote"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// driver moves one run forward. follow applies records; step decides what comes next from what the log says. It is taken
// after what can change the decision: a control record, the last answer of a round, and the poke that comes each second
// and whenever somebody is to be noticed. It looks at every shard, which would be too much after every record.
type driver struct {
	svc  *Service
	id   string
	log  *slog.Logger
	poke chan struct{}

	mu       sync.Mutex
	fold     *runlog.Fold
	live     bool // the fold has taken in all there is
	held     bool // an unfinished run of an earlier process, not to be driven before it is resumed
	drawing  bool // a population is being drawn
	drawn    string
	refused  string                         // why it cannot be drawn
	waiting  bool                           // said that there are no hosts
	leader   string                         // the coordinator that decided last; "": none yet
	owned    atomic.Pointer[map[string]int] // shards by incarnation of a host
	finished chan struct{}
	outages  outages
	faults   incidents

	projected control.Info // what lists show
	// shown is the state of the run after the last record, for who must not wait for the lock: a driver holds it while it waits
	// for the broker. nil before the fold has taken in all there is.
	shown atomic.Pointer[shown]
	// stalled is why nothing of the run is stored; nil: as far as is known it is.
	stalled atomic.Pointer[stall]
}

// shown is what others see of a run.
type shown struct {
	info control.Info
	open bool // a round is
}

func newDriver(svc *Service, id string, held bool) *driver {
	return &driver{
		svc: svc, id: id, log: svc.log.With("run", id), poke: make(chan struct{}, 1), held: held,
		fold: runlog.NewFold(id, runlog.WithAnswers()), finished: make(chan struct{}),
	}
}

func (d *driver) wake() {
	select {
	case d.poke <- struct{}{}:
	default:
	}
}

// hasSeen reports whether the fold has taken in a control record.
func (d *driver) hasSeen(seq uint64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.fold.CtlSeq >= seq
}

// follow drives the run until it is over or ctx is done.
func (d *driver) follow(ctx context.Context) error {
	defer close(d.finished)
	steps, cancel := context.WithCancel(ctx)
	var poked sync.WaitGroup
	poked.Go(func() {
		for {
			select {
			case <-steps.Done():
				return
			case <-d.poke:
			}
			d.mu.Lock()
			if d.live && !d.fold.Phase.Over() {
				d.try(steps)
			}
			d.mu.Unlock()
		}
	})
	defer poked.Wait()
	defer cancel()
	return runlog.ContinueRun(ctx, d.svc.js, d.fold,
		func() error {
			d.mu.Lock()
			defer d.mu.Unlock()
			if err := d.whole(ctx); err != nil {
				return err
			}
			d.live = true
			d.show(true)
			d.outages.listen(time.Now())
			d.faults.live(&d.fold.State, d.leader, d.svc.cfg.ID)
			err := d.stepOrOver(ctx)
			d.project(ctx)
			return err
		},
		func(e runlog.Entry) error { return d.apply(ctx, e) })
}

// apply takes in a record, and a step if it calls for one.
func (d *driver) apply(ctx context.Context, e runlog.Entry) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	faults, decided, complete := d.fold.FaultCount, d.fold.CtlSeq, d.fold.Complete()
	h, err := d.fold.Apply(e)
	if d.fold.CtlSeq > decided && h.Kind != subjects.KindEnvState && h.Kind != subjects.KindFault {
		d.leader = h.Writer // the others are nobody's decisions
	}
	d.faults.hear(h, e, d.fold.CtlSeq > decided, d.svc.cfg.ID)
	if n := len(d.fold.Faults); d.fold.FaultCount > faults && n > 0 && d.live {
		d.log.Warn("fault", "what", d.fold.Faults[n-1].What)
	}
	if err != nil || !d.live {
		return err
	}
	d.moves()
	d.show(d.fold.CtlSeq > decided)
	switch {
	case d.fold.CtlSeq > decided:
		switch {
		case h.Kind == subjects.KindResumed:
			d.held = false
			d.outages.forget()
		case h.Kind == subjects.KindPaused && d.fold.Waiting:
			d.outages.wait(time.Now())
		}
		err = d.stepOrOver(ctx) // first, for the run waits for it
		d.project(ctx)
		return err
	case d.fold.Complete() && !complete:
		d.try(ctx)
	}
	return nil
}

// show lets others see the state of the run after a record, which has decided something or only brought answers. d.mu is held.
func (d *driver) show(decided bool) {
	last := d.shown.Load()
	if d.fold.Phase == runlog.PhaseNone || !decided && (last == nil || d.fold.Phase != runlog.PhaseOpen) {
		return
	}
	now := shown{open: d.fold.Phase == runlog.PhaseOpen}
	if decided {
		now.info = info(&d.fold.State)
	} else {
		now.info = last.info
	}
	if now.open {
		now.info.Answered = now.info.Expected - d.fold.Left()
	}
	d.shown.Store(&now)
}

// project tells the bucket of runs, if there is something to tell: most control records change nothing that lists show.
func (d *driver) project(ctx context.Context) {
	if d.fold.Phase == runlog.PhaseNone {
		return
	}
	if i := info(&d.fold.State); !reflect.DeepEqual(i, d.projected) && d.svc.project(ctx, &d.fold.State) {
		d.projected = i
	}
}

// errOver ends the following of a run that is over.
var errOver = errors.New("the run is over")

func (d *driver) stepOrOver(ctx context.Context) error {
	if d.fold.Phase.Over() {
		return errOver
	}
	d.try(ctx)
	return nil
}

// try takes a step. One that fails is taken again: the service pokes every driver each second.
func (d *driver) try(ctx context.Context) {
	if !d.leads(ctx) {
		d.follows()
		return
	}
	if err := d.step(ctx); err != nil && ctx.Err() == nil {
		d.log.Error("step failed, it is tried again", "error", err)
	}
}

// step appends at most one record. d.mu is held.
func (d *driver) step(ctx context.Context) error {
	s := &d.fold.State
	if s.Phase == runlog.PhaseNone || d.held || d.svc.givenUp(d.id) {
		return nil
	}
	if noted, err := d.noteFaults(ctx); noted {
		return err
	}
	if s.Phase > runlog.PhaseCreated && d.svc.nc.IsConnected() { // in paused runs, too: hosts come, go and drain all the same
		if l, ok := d.lease(d.svc.observer.View(), time.Now()); ok {
			return d.append(ctx, subjects.KindLease, s.Round, s.Epoch+1, l)
		}
	}
	if waits, err := d.wait(ctx); waits {
		return err
	}
	if s.Phase == runlog.PhaseCreated {
		return d.populate(ctx)
	}
	for _, g := range s.Grants {
		if g.Epoch == 0 {
			return nil // waits for hosts
		}
	}
	switch s.Phase {
	case runlog.PhaseReady:
		return d.next(ctx)
	case runlog.PhaseOpen:
		if d.fold.Complete() {
			return d.close(ctx)
		}
	}
	return nil
}

func (d *driver) append(ctx context.Context, kind string, round int, epoch uint64, body any) error {
	h := runlog.Header{Kind: kind, Run: d.id, Round: round, Writer: d.svc.cfg.ID, Epoch: epoch}
	_, err := runlog.AppendControl(ctx, d.svc.js, h, body, d.fold.CtlSeq)
	if errors.Is(err, runlog.ErrConflict) {
		return nil // somebody else decided; their record is on its way to us
	}
	unconfirmed := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, jetstream.ErrNoStreamResponse)
	if (unconfirmed || errors.Is(err, runlog.ErrFull)) && d.svc.nc.IsConnected() && ctx.Err() == nil {
		d.stall(d.svc.unstored(ctx, d.svc.cfg.ID, err.Error()))
	}
	if unconfirmed {
		d.log.Warn("control record not confirmed, deciding again", "kind", kind, "error", err)
		return nil // the service pokes every driver each second
	}
	return err
}

// populate has the population drawn, on a goroutine of its own because that takes as long as it takes.
func (d *driver) populate(ctx context.Context) error {
	if d.drawn != "" {
		return d.append(ctx, subjects.KindPopulated, 0, 0, runlog.Populated{Population: d.drawn})
	}
	if d.refused != "" {
		return d.append(ctx, subjects.KindFailed, 0, 0, runlog.Reason{Reason: d.refused})
	}
	if d.drawing {
		return nil
	}
	d.drawing = true
	spec := population.FromScenario(d.fold.Scenario)
	d.svc.done.Go(func() {
		reply, err := remote.Request(ctx, d.svc.nc, spec, nil)
		refused := errors.Is(err, remote.ErrRefused) // asking again does not help
		d.mu.Lock()
		d.drawing = false
		if err == nil {
			d.drawn = reply.Hash
		} else if refused {
			d.refused = err.Error()
		}
		d.mu.Unlock()
		if err != nil && !refused && ctx.Err() == nil {
			d.log.Warn("population not drawn yet, trying again", "error", err)
			return // the service pokes every driver each second
		}
		d.wake()
	})
	return nil
}
