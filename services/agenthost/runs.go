package agenthost

import (
	"context"
	"encoding/json"
	"time"

	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

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
		defer r.silence()
		if err := r.follow(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("run given up", "run", id, "error", err)
			r.giveUp(err.Error())
		}
	})
	s.done.Go(func() { r.report(ctx) })
	s.done.Go(func() { r.tellFaults(ctx) })
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
			h.cancel()
			delete(s.runs, old)
		}
	}
}

// tellEvery is the pause between two reports that a run cannot go on.
const tellEvery = time.Second

// report tells the coordinator that a run cannot go on, and lets those in who wait for agents that nobody asks. It ends
// with ctx.
func (r *run) report(ctx context.Context) {
	var tellAgain <-chan time.Time // set once the coordinator was told
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.wakeup:
		case <-tellAgain:
			tellAgain = nil
		}
		r.mu.Lock()
		halted := r.halted && (!r.paused || r.behind) && !r.over
		t := runlog.Trouble{Run: r.id, From: r.svc.beat.ID, Reason: r.reason, Fatal: r.hopeless, Budget: r.unfunded}
		r.mu.Unlock()
		if r.asking() == nil {
			for _, s := range r.owned() {
				s.admit()
			}
		}
		switch {
		case !halted:
			tellAgain = nil
		case tellAgain == nil:
			r.svc.tell(ctx, t)
			tellAgain = time.After(tellEvery)
		}
	}
}

// tellTimeout bounds one try to reach a coordinator.
const tellTimeout = 2 * time.Second

// tell reports to a coordinator that a run cannot go on. It is told again until the run is paused or over.
func (s *Service) tell(ctx context.Context, t runlog.Trouble) {
	ask, cancel := context.WithTimeout(ctx, tellTimeout)
	defer cancel()
	data, err := json.Marshal(t)
	if err == nil {
		_, err = s.nc.RequestWithContext(ask, subjects.Service("coordinator", "trouble"), data)
	}
	if err != nil && ctx.Err() == nil {
		s.log.Warn("coordinator not told of trouble", "run", t.Run, "reason", t.Reason, "error", err)
	}
}
