package runlog

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/pkg/subjects"
)

// A run that somebody comes back to is not read from its beginning. The last env.state is its checkpoint: of what is before
// it only the control records are read, which are a handful for each round, and the digests of those rounds are taken from
// their closed records, whose chain is checked still. From there on everything is read.
//
// The checkpoint does not begin at the env.state itself but after Counted, the last record that the closed record counts:
// what was asked and dropped between the two is counted by the next one.

// ContinueRun is FollowRun for a fold that goes on with a run and needs no answers of rounds that are over: a fold on which
// nothing was applied yet, made with WithAnswers or WithColumns. fn is to apply what it is given. The state comes to the
// same as with FollowRun, but for the words of faults, and there are no columns before a round opens.
func ContinueRun(ctx context.Context, js jetstream.JetStream, fold *Fold, caughtUp func() error, fn func(Entry) error) error {
	run := fold.Run
	since, err := checkpoint(ctx, js, run)
	if err != nil {
		return err
	}
	fold.since = since
	begin := inherit(ctx, js, run, ControlSubjects, fn)
	first := func(e Entry) error {
		fork, err := forkOf(e, run)
		if err != nil {
			return err
		}
		fold.since = max(fold.since, fork.Seq)
		return begin(e)
	}
	if since > 0 {
		if err := readUpto(ctx, js, 0, since, ControlSubjects(run), first); err != nil {
			return err
		}
	}
	return Follow(ctx, js, since+1, RunSubjects(run), caughtUp, first)
}

// checkpoint is Counted of the last env.state of a run, 0 if there is none. It waits out an unreachable broker.
func checkpoint(ctx context.Context, js jetstream.JetStream, run string) (uint64, error) {
	for wait := firstPause; ; wait = min(2*wait, longestPause) {
		since, err := lastCounted(ctx, js, run)
		switch {
		case err == nil:
			return since, nil
		case ctx.Err() != nil:
			return 0, ctx.Err()
		case refusedForGood(err):
			return 0, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

func lastCounted(ctx context.Context, js jetstream.JetStream, run string) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	stream, err := js.Stream(ctx, subjects.StreamLog)
	if err != nil {
		return 0, err
	}
	last, err := stream.GetLastMsgForSubject(ctx, subjects.LogCtl(run, subjects.KindEnvState))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	var b EnvState
	_, body, err := Decode(last.Data)
	if err != nil || decodeBody(body, &b) != nil || b.Counted >= last.Sequence {
		return 0, nil // the fold comes to it, and says what is wrong with it
	}
	return b.Counted, nil
}
