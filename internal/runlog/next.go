package runlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// AppendNext appends a record of Encode to a subject of a stream on which expect is the sequence of the last record (0 for
// none), and returns its sequence. It waits out an unreachable or restarting broker until ctx is done, and finds out
// whether a record whose acknowledgement was lost is there. Errors: ErrConflict if another record came first, ErrTooLarge
// and ErrFull, with all of which nothing was written; that of ctx, after which only reading tells; or the broker's, if it
// refuses for good. The record must differ from any other that this or another writer may want to put in its place.
func AppendNext(ctx context.Context, js jetstream.JetStream, stream, subject string, data []byte, expect uint64) (uint64, error) {
	for wait := firstPause; ; wait = min(2*wait, longestPause) {
		seq, err := appendOnce(ctx, js, stream, subject, data, expect)
		switch {
		case err == nil:
			return seq, nil
		case errors.Is(err, ErrConflict), errors.Is(err, ErrTooLarge), errors.Is(err, ErrFull):
			return 0, fmt.Errorf("runlog: append to %s: %w", subject, err)
		case ctx.Err() != nil:
			return 0, fmt.Errorf("runlog: append to %s: %w", subject, context.Cause(ctx))
		case refusedForGood(err):
			return 0, fmt.Errorf("runlog: append to %s: %w", subject, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// appendOnce publishes a record, and where that conflicts looks whether what is in its place is the record itself: an
// earlier try may have been stored without our hearing of it.
func appendOnce(ctx context.Context, js jetstream.JetStream, stream, subject string, data []byte, expect uint64) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	ack, err := js.Publish(ctx, subject, data, jetstream.WithExpectStream(stream),
		jetstream.WithExpectLastSequencePerSubject(expect), jetstream.WithRetryAttempts(1))
	if err == nil {
		return ack.Sequence, nil
	}
	if err = appendError(err); !errors.Is(err, ErrConflict) {
		return 0, err
	}
	s, lost := js.Stream(ctx, stream)
	if lost != nil {
		return 0, lost
	}
	last, lost := s.GetLastMsgForSubject(ctx, subject)
	if errors.Is(lost, jetstream.ErrMsgNotFound) {
		return 0, err
	}
	if lost != nil {
		return 0, lost
	}
	if last.Sequence > expect && bytes.Equal(last.Data, data) {
		return last.Sequence, nil
	}
	return 0, err
}
