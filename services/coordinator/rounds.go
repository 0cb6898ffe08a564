package coordinator

import (
	"context"
	"fmt"

	"github.com/myriad-sim/myriad/internal/expression"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

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
	told := s.ShortIn == s.Opening() // paused over this once, and resumed in spite of it
	for _, q := range c.Questions {
		share := float64(q.Summary.Valid) / float64(s.Created.Agents)
		switch {
		case q.Summary.Valid == 0 && told:
			return d.append(ctx, subjects.KindOpened, s.Round, 0, d.opening(s.Opened.Attempt+1))
		case q.Summary.Valid == 0:
			why := fmt.Sprintf("round %d: no valid answer to %s from any of %d agents; resume asks them again", s.Round, q.ID, s.Created.Agents)
			return d.append(ctx, subjects.KindPaused, s.Round, 0, runlog.Reason{Reason: why, Shortfall: true})
		case share < rule.MinValid && (!told || rule.Below == "fail"): // a failure does not ask, whoever paused before
			why := fmt.Sprintf("round %d: %.1f %% of the answers to %s are valid, missing.min_valid is %.1f %%", s.Round, 100*share, q.ID, 100*rule.MinValid)
			if rule.Below == "fail" {
				return d.append(ctx, subjects.KindFailed, s.Round, 0, runlog.Reason{Reason: why})
			}
			return d.append(ctx, subjects.KindPaused, s.Round, 0, runlog.Reason{Reason: why + "; resume goes on with them", Shortfall: true})
		}
	}
	return d.append(ctx, subjects.KindClosed, s.Round, 0, c)
}
