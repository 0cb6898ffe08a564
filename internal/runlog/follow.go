package runlog

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Follow delivers the records of the log on the given subjects in stream order, from sequence start (0: from the
// beginning), and goes on with new ones as they come. It survives reconnects, broker restarts and the loss of its consumer
// without a gap or a repeat. It returns the error of fn or of caughtUp as it is, that of ctx when ctx is done, ErrReplaced
// if the stream comes back as another one, or the broker's if there is no such stream or reading it is not allowed.
//
// caughtUp (if not nil) is called once: when every record that existed at the call was delivered and before any other is,
// so for an empty log at once.
func Follow(ctx context.Context, js jetstream.JetStream, start uint64, filters []string, caughtUp func() error, fn func(Entry) error) error {
	return FollowStream(ctx, js, subjects.StreamLog, start, filters, caughtUp, fn)
}

// FollowStream is Follow of a stream that is not the run log, such as subjects.StreamHub.
func FollowStream(ctx context.Context, js jetstream.JetStream, stream string, start uint64, filters []string, caughtUp func() error, fn func(Entry) error) error {
	r := &reader{js: js, stream: stream, filters: filters, ahead: fetchAhead, next: max(start, 1), caughtUp: caughtUp, fn: fn}
	return r.follow(ctx)
}

// follow reads session by session.
func (r *reader) follow(ctx context.Context) error {
	for {
		err := r.session(ctx)
		switch final := (finalError{}); {
		case errors.As(err, &final):
			return final.error
		case ctx.Err() != nil:
			return ctx.Err()
		case refusedForGood(err):
			return fmt.Errorf("runlog: read %s: %w", r.stream, err)
		}
		if err := r.pause(ctx); err != nil {
			return err
		}
	}
}

// Read delivers the records that exist on the given subjects, in stream order, and returns. It is Follow in all else.
func Read(ctx context.Context, js jetstream.JetStream, start uint64, filters []string, fn func(Entry) error) error {
	return ReadStream(ctx, js, subjects.StreamLog, start, filters, fn)
}

// ReadStream is Read of a stream that is not the run log.
func ReadStream(ctx context.Context, js jetstream.JetStream, stream string, start uint64, filters []string, fn func(Entry) error) error {
	r := &reader{js: js, stream: stream, filters: filters, ahead: readAhead, next: max(start, 1), caughtUp: endOfLog, fn: fn}
	return untilDone(r.follow(ctx))
}
