package coordinator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/internal/expression"
	"github.com/myriad-sim/myriad/internal/hosts"
	"github.com/myriad-sim/myriad/internal/population"
	"github.com/myriad-sim/myriad/internal/population/remote"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// driver moves one run forward. follow applies records; step decides what comes next from what the log says, and is
// called after every record and whenever the hosts change.
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
	waiting  bool // said that there are no hosts
	finished chan struct{}
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
			err := error(nil)
			if d.live && !d.fold.Phase.Over() {
				err = d.step(steps)
			}
			d.mu.Unlock()
			if err != nil && steps.Err() == nil {
				d.log.Error("step failed, it is tried again", "error", err)
			}
		}
	})
	defer poked.Wait()
	defer cancel()
	return runlog.Follow(ctx, d.svc.js, 0, runlog.RunSubjects(d.id),
		func() error {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.live = true
			d.svc.project(ctx, &d.fold.State)
			return d.stepOrOver(ctx)
		},
		func(e runlog.Entry) error {
			d.mu.Lock()
			defer d.mu.Unlock()
			h, err := d.fold.Apply(e)
			if err != nil || !d.live {
				return err
			}
			if h.Kind == subjects.KindResumed {
				d.held = false
			}
			if h.Kind != runlog.KindAnswer && h.Kind != runlog.KindAsked {
				d.svc.project(ctx, &d.fold.State)
			}
			return d.stepOrOver(ctx)
		})
}

// errOver ends the following of a run that is over.
var errOver = errors.New("the run is over")

func (d *driver) stepOrOver(ctx context.Context) error {
	if d.fold.Phase.Over() {
		return errOver
	}
	return d.step(ctx)
}

// step appends at most one record. d.mu is held.
func (d *driver) step(ctx context.Context) error {
	s := &d.fold.State
	if s.Phase == runlog.PhaseNone || d.held || s.Paused {
		return nil
	}
	if s.Phase == runlog.PhaseCreated {
		return d.populate(ctx)
	}
	if l, ok := d.lease(); ok {
		return d.append(ctx, subjects.KindLease, s.Round, s.Epoch+1, l)
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
	if err != nil && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, jetstream.ErrNoStreamResponse)) {
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
	if d.drawing {
		return nil
	}
	d.drawing = true
	spec := population.FromScenario(d.fold.Scenario)
	d.svc.done.Go(func() {
		reply, err := remote.Request(ctx, d.svc.nc, spec, nil)
		d.mu.Lock()
		d.drawing = false
		if err == nil {
			d.drawn = reply.Hash
		}
		d.mu.Unlock()
		if err != nil && ctx.Err() == nil {
			d.log.Warn("population not drawn yet, trying again", "error", err)
			return // the service pokes every driver each second
		}
		d.wake()
	})
	return nil
}

// lease returns the next lease to grant: all shards without a living owner, spread evenly over the hosts, for the first
// host that is to get some.
func (d *driver) lease() (runlog.Lease, bool) {
	s := &d.fold.State
	living := d.svc.living()
	alive := map[string]bool{}
	for _, h := range living {
		alive[h.Incarnation] = true
	}
	load := map[string]int{}
	var orphans []int
	for i, g := range s.Grants {
		if alive[g.Incarnation] {
			load[g.Incarnation]++
		} else {
			orphans = append(orphans, i)
		}
	}
	if len(orphans) == 0 {
		d.waiting = false
		return runlog.Lease{}, false
	}
	if len(living) == 0 {
		if !d.waiting {
			d.log.Warn("no agenthost is running; the run waits for one", "shards", len(orphans))
			d.waiting = true
		}
		return runlog.Lease{}, false
	}
	host, n := share(living, load, len(orphans), len(s.Grants))
	return runlog.Lease{Host: host.ID, Incarnation: host.Incarnation, Ranges: ranges(orphans[:n])}, true
}

// share picks the host with the fewest shards, and how many of the orphans bring it to an even share.
func share(living []hosts.Beat, load map[string]int, orphans, shards int) (hosts.Beat, int) {
	least := living[0]
	for _, h := range living[1:] {
		if load[h.Incarnation] < load[least.Incarnation] {
			least = h
		}
	}
	even := (shards + len(living) - 1) / len(living)
	return least, min(orphans, max(1, even-load[least.Incarnation]))
}

func ranges(shards []int) []runlog.Range {
	var out []runlog.Range
	for _, s := range shards {
		if n := len(out); n > 0 && out[n-1].End == s {
			out[n-1].End++
			continue
		}
		out = append(out, runlog.Range{First: s, End: s + 1})
	}
	return out
}

// next opens the next round, or ends the run.
func (d *driver) next(ctx context.Context) error {
	s := &d.fold.State
	reason := ""
	switch {
	case s.LastRound():
		reason = fmt.Sprintf("all %d rounds played", s.Round)
	case s.Round > 0 && s.Scenario.Stop != nil:
		stop, err := s.Scenario.Stop.Bool(expression.Env{
			Vars: s.Scenario.Vars, World: s.World, Previous: s.Previous, Round: s.Round, Size: s.Created.Agents,
		})
		if err != nil {
			return d.append(ctx, subjects.KindFailed, s.Round, 0, runlog.Reason{Reason: fmt.Sprintf("stop (%s): %v", s.Scenario.Stop.Source(), err)})
		}
		if stop {
			reason = fmt.Sprintf("stop rule met after round %d: %s", s.Round, s.Scenario.Stop.Source())
		}
	}
	if reason != "" {
		return d.append(ctx, subjects.KindFinished, s.Round, 0, runlog.Reason{Reason: reason, Hash: s.Chain})
	}
	return d.append(ctx, subjects.KindOpened, s.Round+1, 0, d.opening(0))
}

func (d *driver) opening(attempt int) runlog.Opened {
	s := &d.fold.State
	o := runlog.Opened{World: s.World, Previous: s.Previous, Means: map[string]float64{}, Attempt: attempt}
	if n := len(s.Rounds); n > 0 {
		for _, q := range s.Rounds[n-1].Closed.Questions {
			if q.Summary.HasNumbers {
				o.Means[q.ID] = q.Summary.Mean
			}
		}
	}
	return o
}

// close closes the open round, or pauses the run if too few of its answers are valid.
func (d *driver) close(ctx context.Context) error {
	s := &d.fold.State
	c, err := d.fold.Close()
	if err != nil {
		return err
	}
	rule := s.Scenario.Missing
	told := s.PausedIn == s.Opening() // paused over this once, and resumed in spite of it
	for _, q := range c.Questions {
		share := float64(q.Summary.Valid) / float64(s.Created.Agents)
		switch {
		case q.Summary.Valid == 0 && told:
			return d.append(ctx, subjects.KindOpened, s.Round, 0, d.opening(s.Opened.Attempt+1))
		case q.Summary.Valid == 0:
			why := fmt.Sprintf("round %d: no valid answer to %s from any of %d agents; resume asks them again", s.Round, q.ID, s.Created.Agents)
			return d.append(ctx, subjects.KindPaused, s.Round, 0, runlog.Reason{Reason: why})
		case share < rule.MinValid && !told:
			why := fmt.Sprintf("round %d: %.1f %% of the answers to %s are valid, missing.min_valid is %.1f %%", s.Round, 100*share, q.ID, 100*rule.MinValid)
			if rule.Below == "fail" {
				return d.append(ctx, subjects.KindFailed, s.Round, 0, runlog.Reason{Reason: why})
			}
			return d.append(ctx, subjects.KindPaused, s.Round, 0, runlog.Reason{Reason: why + "; resume goes on with them"})
		}
	}
	return d.append(ctx, subjects.KindClosed, s.Round, 0, c)
}
