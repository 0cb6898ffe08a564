package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/runlog"
)

type replayCmd struct {
	ID string `arg:"" name:"run" help:"Id of the run to play again." placeholder:"RUN"`
	overrideFlags
	outputFlags
	serverFlag
}

// Help is shown by --help.
func (replayCmd) Help() string {
	return `Plays a run again without asking any model: every completion comes from its log. The result must be the same; the command
compares round by round and ends with 1 where it is not.

With other settings, old completions are read by other rules. A call that was never made then, such as one to read a reply,
cannot be answered: the replay stops and says which it is (round, agent, question, attempt). Models that --model names are
asked instead of replayed.

Examples:
  myriad replay guess-two-thirds-k7q2m4xa
  myriad replay guess-two-thirds-k7q2m4xa --rounds 2 --out first-two
  myriad replay guess-two-thirds-k7q2m4xa --set missing.then=previous
  myriad replay guess-two-thirds-k7q2m4xa --server nats://127.0.0.1:4222`
}

// Run plays the run again and compares.
func (c *replayCmd) Run(ctx context.Context, a *app) error {
	s, err := c.join(ctx, a, c.Server)
	if err != nil {
		return err
	}
	defer s.close(ctx)
	was, err := runlog.ReadControl(ctx, s.js, c.ID)
	if errors.Is(err, runlog.ErrNoRun) {
		return fmt.Errorf("there is no run %q; `%s runs` lists them", c.ID, invocation())
	}
	if err != nil {
		return err
	}
	info, err := s.order(ctx, control.Replay, control.Again{Run: c.ID, Overrides: c.overrides()})
	if err != nil {
		return err
	}
	s.printf("Playing %s again, without asking any model.\n", c.ID)
	if err := s.replayed(ctx, info, was); err != nil {
		return err
	}
	now, err := runlog.ReadControl(ctx, s.js, info.ID)
	if err != nil {
		return err
	}
	verdict, same := compare(was, now, c.Rounds != nil || was.Phase != runlog.PhaseFinished)
	if !same {
		return exitCode{1, "\n" + verdict}
	}
	s.printf("\n%s\n", verdict)
	return nil
}

// replayed plays a replay to its end. Where the run was paused because too few answers were valid, and went on in spite of
// it, so does the replay. One that has nothing to say is over: what was never said will not be.
func (s *session) replayed(ctx context.Context, info control.Info, was *runlog.State) error {
	for {
		err := s.play(ctx, info)
		var code exitCode
		if !errors.As(err, &code) || code.code != exitPaused {
			return err
		}
		why, failed := pausedFor(ctx, s.js, info.ID)
		if failed != nil {
			return errors.Join(err, failed)
		}
		if why.Shortfall {
			st, err := runlog.ReadControl(ctx, s.js, info.ID)
			if err != nil {
				return err
			}
			if len(was.Rounds) > len(st.Rounds) {
				if info, err = s.order(ctx, control.Resume, control.Order{Run: info.ID, Reason: "run " + was.Run + " went on as well"}); err != nil {
					return err
				}
				continue
			}
		}
		if !why.Trouble {
			return err
		}
		if _, err := s.order(ctx, control.Cancel, control.Order{Run: info.ID, Reason: why.Reason}); err != nil {
			s.app.log.Warn("the replay was not cancelled", "run", info.ID, "error", err)
		}
		return exitCode{1, "\nThe replay cannot go on: " + why.Reason}
	}
}

// compare says where the results of a replay and of its run differ, and whether they are the same; with part, as far as both
// go.
func compare(was, now *runlog.State, part bool) (verdict string, same bool) {
	both := min(len(was.Rounds), len(now.Rounds))
	for i := range both {
		if a, b := was.Rounds[i].Closed, now.Rounds[i].Closed; !bytes.Equal(a.Chain, b.Chain) {
			return fmt.Sprintf("The results differ from round %d on: run %s has %x there, the replay %s has %x.",
				was.Rounds[i].Round, was.Run, a.Chain, now.Run, b.Chain), false
		}
	}
	switch {
	case len(was.Rounds) == len(now.Rounds):
		return fmt.Sprintf("Same result hash as run %s: %x", was.Run, now.Chain), true
	case part && both > 0:
		return fmt.Sprintf("Same result hash as run %s after round %d: %x", was.Run, both, now.Rounds[both-1].Closed.Chain), true
	}
	return fmt.Sprintf("The results differ: run %s has %s, the replay %s has %s.", was.Run, plural(len(was.Rounds), "round", "rounds"),
		now.Run, plural(len(now.Rounds), "round", "rounds")), false
}
