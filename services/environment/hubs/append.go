package hubs

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// errMoved says that records of another server came first.
var errMoved = errors.New("the hub has moved on")

// Times between attempts at something that the broker does not do now.
const (
	firstPause   = 10 * time.Millisecond
	longestPause = time.Second
)

// Codes of the broker that the client has no names for.
const (
	codeNoSpace        = 10047 // the server's storage is used up
	codeMessageTooLong = 10054
	codeStoreFailed    = 10077 // a limit of the stream
)

const headerExpect = "Nats-Expected-Last-Subject-Sequence"

// append appends records to a hub's subject, all at once, after what was read of it, and folds them. It returns the
// sequence of the first. It waits out a broker that is away until ctx is done, and finds out what became of records whose
// acknowledgement was lost. errMoved says that others came first, and were folded; any other error but that of ctx, that
// nothing was written.
func (h *hub) append(ctx context.Context, list []record) (uint64, error) {
	write := nuid.Next()
	msgs := make([]*nats.Msg, len(list))
	for i := range list {
		msgs[i] = list[i].message(h.subject)
	}
	msgs[0].Header.Set(subjects.HeaderWrite, write)
	for wait := firstPause; ; wait = min(2*wait, longestPause) {
		expect := h.state.last
		first, err := h.publish(ctx, msgs, expect)
		if err == nil {
			for i, r := range list {
				r.seq = first + uint64(i) //nolint:gosec // not negative
				h.state.apply(&r)
				h.tail.Add(r.data)
			}
			return first, nil
		}
		if ctx.Err() != nil || errors.Is(err, nats.ErrConnectionClosed) || errors.Is(err, wire.ErrTooLarge) || errors.Is(err, wire.ErrUnavailable) {
			return 0, err
		}
		if wait == longestPause {
			h.log.Warn("the stream of hubs takes no records", "run", h.run, "hub", h.name, "error", err)
		}
		news, err := h.catchUp(ctx)
		switch {
		case err != nil:
			return 0, err
		case news.first.write == write:
			return news.first.seq, nil
		case news.any():
			return 0, errMoved
		}
		if err := pause(ctx, wait); err != nil {
			return 0, err
		}
	}
}

// publish is one attempt.
func (h *hub) publish(ctx context.Context, msgs []*nats.Msg, expect uint64) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	if len(msgs) == 1 {
		ack, err := h.js.PublishMsg(ctx, msgs[0], jetstream.WithExpectStream(subjects.StreamHub),
			jetstream.WithExpectLastSequencePerSubject(expect), jetstream.WithRetryAttempts(1))
		if err != nil {
			return 0, refusal(err)
		}
		return ack.Sequence, nil
	}
	msgs[0].Header.Set(headerExpect, strconv.FormatUint(expect, 10))
	ack, err := bus.PublishBatch(ctx, h.nc, msgs)
	if err != nil {
		return 0, refusal(err)
	}
	return ack.Sequence - uint64(len(msgs)-1), nil //nolint:gosec // not negative
}

// refusal finds the refusals that asking again does not change.
func refusal(err error) error {
	if errors.Is(err, nats.ErrMaxPayload) || errors.Is(err, bus.ErrBatchTooLarge) {
		return fmt.Errorf("%w: %w", wire.ErrTooLarge, err)
	}
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		switch api.ErrorCode {
		case codeMessageTooLong:
			return fmt.Errorf("%w: %w", wire.ErrTooLarge, err)
		case codeNoSpace, codeStoreFailed:
			return fmt.Errorf("%w: the stream of hubs is full: %w", wire.ErrUnavailable, err)
		}
	}
	return err
}

// news is what a catchUp found.
type news struct {
	first record // the first record that was not known; zero if there is none
	anew  bool   // the subject was purged
}

func (n news) any() bool { return n.first.seq != 0 || n.anew }

// catchUp folds what others have appended, everything that was acknowledged before the call. It asks until the broker
// answers or ctx is done.
func (h *hub) catchUp(ctx context.Context) (news, error) {
	var found news
	for wait := firstPause; ; wait = min(2*wait, longestPause) {
		err := h.tryCatchUp(ctx, &found)
		if err == nil || errors.Is(err, nats.ErrConnectionClosed) {
			return found, err
		}
		if wait == longestPause {
			h.log.Warn("the stream of hubs cannot be read", "run", h.run, "hub", h.name, "error", err)
		}
		if err := pause(ctx, wait); err != nil {
			return found, err
		}
	}
}

// errBehind says that the server that answered has not got yet what the leader has.
var errBehind = errors.New("the broker's answer is not up to date")

func (h *hub) tryCatchUp(ctx context.Context, found *news) error {
	last, err := h.lastSeq(ctx, h.subject)
	if err != nil {
		return err
	}
	if last < h.state.last {
		h.state, found.anew = state{}, true
		h.tail.From(0)
	}
	for h.state.last < last {
		before := h.state.last
		count := readCount
		if n := last - before; n < readCount {
			count = int(n) //nolint:gosec // small
		}
		_, err := h.read(ctx, h.subject, before+1, count, readBytes, func(r record) bool {
			if found.first.seq == 0 {
				found.first = r
			}
			h.state.apply(&r)
			h.tail.Add(r.data)
			return true
		})
		if err != nil {
			return err
		}
		if h.state.last == before {
			return errBehind
		}
	}
	return nil
}

// What is read at once.
const (
	readCount = 1000
	readBytes = 4 << 20
)

// pause waits, or returns why ctx is done.
func pause(ctx context.Context, wait time.Duration) error {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
