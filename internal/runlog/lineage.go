package runlog

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Filters are the subjects that somebody wants to read of a run. Whoever folds a run wants its control records among them.
type Filters func(run string) []string

// RunSubjects are the subjects a fold with answers needs. It is one filter though a fold has no use for messages: where a
// consumer has several, the broker looks for the next record of each before it delivers one, which took a fifth of the
// CPU time of a large round. So the fold skips messages.
func RunSubjects(run string) []string { return []string{subjects.LogAll(run)} }

// ControlSubjects are those of the control records of a run.
func ControlSubjects(run string) []string { return []string{subjects.LogCtlAll(run)} }

// FollowRun is Follow of one run from its beginning: where it is a fork, the records of its parents that it has inherited
// come first. Its filters include the control records; a run that is not there yet is waited for.
func FollowRun(ctx context.Context, js jetstream.JetStream, run string, filters Filters, caughtUp func() error, fn func(Entry) error) error {
	return Follow(ctx, js, 0, filters(run), caughtUp, inherit(ctx, js, run, filters, fn))
}

// ReadRun is FollowRun of what is there.
func ReadRun(ctx context.Context, js jetstream.JetStream, run string, filters Filters, fn func(Entry) error) error {
	return untilDone(FollowRun(ctx, js, run, filters, endOfLog, fn))
}

// ReadSince delivers the records of a run from sequence start on that are there, those of its parents first, whatever the
// filters. State.Past of s says who the parents are.
func ReadSince(ctx context.Context, js jetstream.JetStream, s *State, start uint64, filters Filters, fn func(Entry) error) error {
	for i := range s.Past {
		p := &s.Past[i]
		if start > p.Seq {
			continue
		}
		if err := readUpto(ctx, js, start, p.Seq, filters(p.Run), fn); err != nil {
			return err
		}
		start = p.Seq + 1
	}
	return Read(ctx, js, start, filters(s.Run), fn)
}

// inherit returns fn with what a fork has inherited delivered before its first record.
func inherit(ctx context.Context, js jetstream.JetStream, run string, filters Filters, fn func(Entry) error) func(Entry) error {
	return func(e Entry) error {
		fork, err := forkOf(e, run)
		if err != nil {
			return err
		}
		if fork.Round > 0 {
			if err := readUpto(ctx, js, 0, fork.Seq, filters(fork.Run), inherit(ctx, js, fork.Run, filters, fn)); err != nil {
				return err
			}
		}
		return fn(e)
	}
}

// forkOf is what a record says of where its run branches off: nothing, unless it is the created record of a fork. A record
// that does not decode is left to the fold, which says what is wrong with it.
func forkOf(e Entry, run string) (ForkOf, error) {
	if e.Subject != subjects.LogCtl(run, subjects.KindCreated) {
		return ForkOf{}, nil
	}
	_, body, err := Decode(e.Data)
	var b Created
	if err != nil || decodeBody(body, &b) != nil || b.Fork == nil {
		return ForkOf{}, nil //nolint:nilerr // see above
	}
	if b.Fork.Seq >= e.Seq { // it would never end
		return ForkOf{}, fmt.Errorf("%w: run %s, record %d: forked from record %d of run %s, which is not before it", ErrDamaged, run, e.Seq, b.Fork.Seq, b.Fork.Run)
	}
	return *b.Fork, nil
}

// readUpto delivers the records from sequence start to upto, both included.
func readUpto(ctx context.Context, js jetstream.JetStream, start, upto uint64, filters []string, fn func(Entry) error) error {
	return Read(ctx, js, start, filters, func(e Entry) error {
		if e.Seq > upto {
			return errDone
		}
		return fn(e)
	})
}

// errDone ends a Follow that only reads what is there, and a Read that has enough.
var errDone = errors.New("done")

func endOfLog() error { return errDone }

func untilDone(err error) error {
	if errors.Is(err, errDone) {
		return nil
	}
	return err
}

// ReadControl folds the control records of a run, without its answers. It returns ErrNoRun if there are none.
func ReadControl(ctx context.Context, js jetstream.JetStream, run string) (*State, error) {
	f := NewFold(run)
	err := ReadRun(ctx, js, run, ControlSubjects, func(e Entry) error {
		_, err := f.Apply(e)
		return err
	})
	if err != nil {
		return nil, err
	}
	if f.Phase == PhaseNone {
		return nil, fmt.Errorf("%w: %q", ErrNoRun, run)
	}
	return &f.State, nil
}
