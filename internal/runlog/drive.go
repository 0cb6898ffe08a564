package runlog

import (
	"context"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Active calls fn for every run that is not over, once, and then for every run as it is created, until ctx is done. Runs
// that existed at the call have existing set, and come in the order they were created in.
func Active(ctx context.Context, js jetstream.JetStream, fn func(run string, existing bool)) error {
	filters := []string{
		subjects.AnyRunCtlKind(subjects.KindCreated), subjects.AnyRunCtlKind(subjects.KindFinished),
		subjects.AnyRunCtlKind(subjects.KindCancelled), subjects.AnyRunCtlKind(subjects.KindFailed),
	}
	var order []string
	open := map[string]bool{}
	live := false
	caughtUp := func() error {
		live = true
		for _, run := range order {
			if open[run] {
				fn(run, true)
			}
		}
		order, open = nil, nil
		return nil
	}
	return Follow(ctx, js, 0, filters, caughtUp, func(e Entry) error {
		at, err := subjects.ParseLog(e.Subject)
		if err != nil {
			return nil //nolint:nilerr // not a run that anyone can name; it must not keep the others from being found
		}
		switch created := at.Kind == subjects.KindCreated; {
		case live && created:
			fn(at.Run, false)
		case !live && created && !open[at.Run]:
			order = append(order, at.Run)
			open[at.Run] = true
		case !live && !created:
			delete(open, at.Run)
		}
		return nil
	})
}

// Drive folds a run and calls step whenever the fold has taken in all there is: once after the records that exist, with an
// empty header, then after each new one. It returns nil when the run is over, which for one that was over at the call is
// without a step, or the error of the fold, of step, or of ctx. It reads as ContinueRun does. A step that appends a control record and meets ErrConflict
// returns nil: the record that got there first is on its way.
func Drive(ctx context.Context, js jetstream.JetStream, fold *Fold, step func(last Header) error) error {
	live := false
	caughtUp := func() error {
		live = true
		return step(Header{})
	}
	return untilDone(ContinueRun(ctx, js, fold, caughtUp, func(e Entry) error {
		h, err := fold.Apply(e)
		if err != nil {
			return err
		}
		if live {
			if err := step(h); err != nil {
				return err
			}
		}
		if fold.Phase.Over() {
			return errDone
		}
		return nil
	}))
}
