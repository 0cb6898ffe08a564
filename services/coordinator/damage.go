package coordinator

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/damage"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// A run whose log is damaged is not gone on with: what its agents would see, and its result, would rest on a hole. Whoever
// folds it finds the damage by itself; here is what makes it known, and what no fold of one run can see.

// lost is what is known to be damaged.
type lost struct {
	mu       sync.Mutex
	runs     map[string]string // why, by run
	unplaced []damage.Note     // of runs that are not known
}

// damageTimeout bounds a look at single records.
const damageTimeout = 5 * time.Second

// findDamage reads which records are known to be damaged, and tells of runs that were under way and of which nothing is left.
func (s *Service) findDamage(ctx context.Context) error {
	var unplaced []damage.Note
	err := runlog.Read(ctx, s.js, 0, []string{subjects.AnyRunCtlKind(subjects.KindDamaged)}, func(e runlog.Entry) error {
		n, ok := damage.Read(e.Data)
		at, bad := subjects.ParseLog(e.Subject)
		switch {
		case !ok || bad != nil:
		case e.Subject == damage.Unplaced():
			unplaced = append(unplaced, n)
		default:
			s.giveUp(ctx, at.Run, fmt.Errorf("record %d: %w", e.Seq, runlog.Lost(n)))
		}
		return nil //nolint:nilerr // what is no note of a run is nothing to give a run up for
	})
	if err != nil {
		return fmt.Errorf("coordinator: look for damage: %w", err)
	}
	s.lost.mu.Lock()
	s.lost.unplaced = unplaced
	s.lost.mu.Unlock()
	if len(unplaced) == 0 {
		return nil
	}
	list, err := s.list(ctx)
	if err != nil {
		return err
	}
	for _, i := range list {
		if i.Over() {
			continue
		}
		if err := s.touched(ctx, i.ID); errors.Is(err, runlog.ErrLost) {
			s.giveUp(ctx, i.ID, err)
		}
	}
	return nil
}

// watchDamage looks again whenever the broker was away: it may have come back with less.
func (s *Service) watchDamage(ctx context.Context) {
	changed := s.nc.StatusChanged(nats.CONNECTED)
	defer s.nc.RemoveStatusListener(changed)
	for {
		select {
		case <-ctx.Done():
			return
		case _, open := <-changed:
			if !open {
				return
			}
		}
		if err := s.findDamage(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("not looked for damage", "error", err)
		}
	}
}

// touched reports whether a run that is not over may have had a record where some were lost and nobody knows whose: it was
// there before the last of them.
func (s *Service) touched(ctx context.Context, run string) error {
	s.lost.mu.Lock()
	unplaced := s.lost.unplaced
	s.lost.mu.Unlock()
	if len(unplaced) == 0 {
		return nil
	}
	last := slices.MaxFunc(unplaced, func(a, b damage.Note) int { return cmp.Compare(a.Last, b.Last) })
	first, err := s.lastRecord(ctx, subjects.LogCtl(run, subjects.KindCreated))
	if err != nil {
		return err
	}
	if first > last.Last {
		return nil
	}
	return fmt.Errorf("the run was under way when records were lost: %w", runlog.Lost(last))
}

// lastRecord is the sequence of the last record on a subject; 0 if there is none.
func (s *Service) lastRecord(ctx context.Context, subject string) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, damageTimeout)
	defer cancel()
	stream, err := s.js.Stream(ctx, subjects.StreamLog)
	if err != nil {
		return 0, err
	}
	m, err := stream.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return m.Sequence, nil
}

// whole checks, once the fold has taken in all there is, that the log goes as far as a coordinator has seen it go. The bucket
// of runs is a stream of its own, so it is a second witness.
func (d *driver) whole(ctx context.Context) error {
	if err := d.svc.touched(ctx, d.id); err != nil {
		return err
	}
	seen, err := d.svc.entry(ctx, d.id)
	if err != nil || seen.Seq <= d.fold.CtlSeq {
		return nil //nolint:nilerr // the list is a projection: without an entry there is nothing to compare with
	}
	// Another coordinator may have gone on meanwhile, and a server that has just come back may lag behind the others.
	for wait := firstLook; ; wait *= 2 {
		last, err := d.svc.lastRecord(ctx, subjects.LogCtlAll(d.id))
		switch {
		case err == nil && last >= seen.Seq:
			return nil
		case wait > lastLook && err == nil:
			return fmt.Errorf("%w (%w): the log of run %s ends at control record %d, but record %d was there",
				runlog.ErrLost, runlog.ErrReplaced, d.id, last, seen.Seq)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// Waits between looks for a record that should be there.
const (
	firstLook = 100 * time.Millisecond
	lastLook  = 2 * time.Second
)

// entry is what the list of runs says of a run.
func (s *Service) entry(ctx context.Context, run string) (control.Info, error) {
	ctx, cancel := context.WithTimeout(ctx, damageTimeout)
	defer cancel()
	var i control.Info
	e, err := s.runs.Get(ctx, subjects.Encode(run))
	if err == nil {
		err = json.Unmarshal(e.Value(), &i)
	}
	return i, err
}

// giveUp makes it known that a run is not gone on with, and why.
func (s *Service) giveUp(ctx context.Context, run string, why error) {
	if ctx.Err() != nil {
		return
	}
	reason := why.Error() + "; see: myriad verify " + run
	s.lost.mu.Lock()
	known := s.lost.runs[run] != ""
	if !known {
		s.lost.runs[run] = reason
	}
	s.lost.mu.Unlock()
	if known {
		return
	}
	s.log.Error("RUN DAMAGED: it is not gone on with; other runs are not affected, and a backup of the data has it back", "run", run, "error", why)
	data, err := json.Marshal(s.damagedInfo(ctx, run, reason))
	if err == nil {
		_, err = s.runs.Put(ctx, subjects.Encode(run), data)
	}
	if err != nil && ctx.Err() == nil {
		s.log.Warn("run not projected", "run", run, "error", err)
	}
}

// damagedInfo is what is shown of a damaged run: what the list had, with its state.
func (s *Service) damagedInfo(ctx context.Context, run, reason string) control.Info {
	i, err := s.entry(ctx, run)
	if err != nil {
		i = control.Info{Created: time.Now().UTC()}
	}
	i.ID, i.State, i.Reason, i.Waiting = run, control.StateDamaged, reason, false
	return i
}

// givenUp reports whether a run is given up because of damage.
func (s *Service) givenUp(run string) bool { return s.isLost(run) != nil }

// isLost is the error for a run that is given up; nil for others.
func (s *Service) isLost(run string) error {
	s.lost.mu.Lock()
	defer s.lost.mu.Unlock()
	if why := s.lost.runs[run]; why != "" {
		return fmt.Errorf("%w: %s", ErrDamaged, why)
	}
	return nil
}

// sound is the state of a run up to its first damage, if it has any.
func (s *Service) sound(ctx context.Context, run string) (*runlog.State, error) {
	f := runlog.NewFold(run)
	err := runlog.ReadRun(ctx, s.js, run, runlog.ControlSubjects, func(e runlog.Entry) error {
		_, err := f.Apply(e)
		return err
	})
	switch {
	case f.Phase == runlog.PhaseNone && err == nil:
		return nil, fmt.Errorf("%w: %q", ErrNoRun, run)
	case f.Phase == runlog.PhaseNone || err != nil && !errors.Is(err, runlog.ErrLost):
		return nil, err
	}
	return &f.State, nil
}

// soundUpto reports whether a fork would take over a stretch of the log in which records are lost.
func (s *Service) soundUpto(of runlog.ForkOf) error {
	s.lost.mu.Lock()
	defer s.lost.mu.Unlock()
	for _, n := range s.lost.unplaced {
		if n.First <= of.Seq && s.lost.runs[of.Run] != "" {
			return fmt.Errorf("%w before the end of round %d: %w", ErrDamaged, of.Round, runlog.Lost(n))
		}
	}
	return nil
}

// damaged reports whether an error of a fold says that the log of the run cannot be trusted.
func damaged(err error) bool {
	for _, e := range []error{runlog.ErrDamaged, runlog.ErrOrder, runlog.ErrDigest, runlog.ErrReplaced, runlog.ErrLost} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
