package runlog

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Active calls fn for every run that is not over, once, and then for every run as it is created, until ctx is done. Runs
// that existed at the call have existing set.
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
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		switch created := at.Kind == subjects.KindCreated; {
		case live && created:
			fn(at.Run, false)
		case !live && created:
			order = append(order, at.Run)
			open[at.Run] = true
		case !live:
			delete(open, at.Run)
		}
		return nil
	})
}

// Drive folds a run and calls step whenever the fold has taken in all there is: once after the records that exist, then
// after each new one. It returns when the run is over, when step fails, or when ctx is done. A step that appends a
// control record and meets ErrConflict returns nil: the record that got there first is on its way.
func Drive(ctx context.Context, js jetstream.JetStream, fold *Fold, filters []string, step func(last Header) error) error {
	live := false
	caughtUp := func() error {
		live = true
		return step(Header{})
	}
	err := Follow(ctx, js, 0, filters, caughtUp, func(e Entry) error {
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
	})
	if err == errDone { //nolint:errorlint // a private sentinel that is never wrapped
		return nil
	}
	return err
}
