package results

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

const (
	// fetchAhead is how many records are on their way, so that a record does not cost a round trip. One has up to 300 KB.
	fetchAhead = 8
	// A record that was read is there. A replica may lag behind; a broker may be away for a while.
	missingTries = 5
	awayFor      = time.Minute
	firstPause   = 20 * time.Millisecond
)

// records reads single records of the log.
type records struct{ stream jetstream.Stream }

func openRecords(ctx context.Context, js jetstream.JetStream) (records, error) {
	stream, err := js.Stream(ctx, subjects.StreamLog)
	if err != nil {
		return records{}, fmt.Errorf("results: %w", err)
	}
	return records{stream}, nil
}

// fetched is the outcome of a fetch.
type fetched struct {
	answers *runlog.Answers
	err     error
}

// each calls fn with the answers of each entry, in order. It fetches and decodes ahead of fn.
func (r records) each(ctx context.Context, entries []entry, fn func(entry, *runlog.Answers) error) error {
	ctx, stop := context.WithCancel(ctx)
	var ring [fetchAhead]chan fetched
	for i := range ring {
		ring[i] = make(chan fetched, 1)
	}
	started, ended := 0, 0
	defer func() {
		stop()
		for ; ended < started; ended++ {
			<-ring[ended%fetchAhead]
		}
	}()
	for i, e := range entries {
		for ; started < len(entries) && started < i+fetchAhead; started++ {
			go func(e entry, out chan<- fetched) {
				a, err := r.fetch(ctx, e)
				out <- fetched{a, err}
			}(entries[started], ring[started%fetchAhead])
		}
		f := <-ring[i%fetchAhead]
		ended++
		if f.err != nil {
			return f.err
		}
		if err := fn(e, f.answers); err != nil {
			return err
		}
	}
	return nil
}

// fetch reads the record of an entry again.
func (r records) fetch(ctx context.Context, e entry) (*runlog.Answers, error) {
	tries := 0
	msg, err := backoff.Retry(ctx, func() (*jetstream.RawStreamMsg, error) {
		msg, err := r.stream.GetMsg(ctx, e.seq)
		tries++
		switch {
		case err == nil || ctx.Err() != nil:
			return msg, err
		case errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, jetstream.ErrMsgNotFound) && tries >= missingTries:
			return nil, backoff.Permanent(err)
		}
		return nil, err
	}, backoff.WithBackOff(&backoff.ExponentialBackOff{
		InitialInterval: firstPause, RandomizationFactor: backoff.DefaultRandomizationFactor, Multiplier: 2, MaxInterval: time.Second,
	}), backoff.WithMaxElapsedTime(awayFor))
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, jetstream.ErrMsgNotFound): // the log was purged meanwhile
		return nil, fmt.Errorf("results: %w: record %d is gone from the log", runlog.ErrNoRun, e.seq)
	case err != nil:
		return nil, fmt.Errorf("results: read record %d: %w", e.seq, err)
	}
	if sum := crc32.Checksum(msg.Data, castagnoli); sum != e.sum {
		return nil, fmt.Errorf("results: %w: record %d is not the one that was counted", runlog.ErrDigest, e.seq)
	}
	_, body, err := runlog.Decode(msg.Data)
	if err != nil {
		return nil, fmt.Errorf("results: record %d: %w", e.seq, err)
	}
	a, err := runlog.DecodeAnswers(body)
	if err != nil {
		return nil, fmt.Errorf("results: record %d: %w", e.seq, err)
	}
	return a, nil
}
