package remote

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/myriad-sim/myriad/internal/population"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// silence is how long bgen may say nothing: three of its partial replies and a little.
const silence = 3500 * time.Millisecond

// Request has bgen draw and store a population, and waits for as long as bgen is at work. Progress may be nil; else it
// is called now and then, with 0, 0 before the work has begun. A request may be repeated at any time, by anybody: equal
// specs share one stored population. Errors: ErrRefused, ErrUnavailable, ErrLost, ErrPayload, or the cause of ctx's end.
func Request(ctx context.Context, nc *nats.Conn, spec population.Spec, progress func(done, total int)) (Reply, error) {
	if err := spec.Validate(); err != nil {
		return Reply{}, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	data, err := Msgpack.Marshal(Query{V: Version, Spec: spec})
	if err != nil {
		return Reply{}, fmt.Errorf("%w: %w", ErrPayload, err)
	}
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		return Reply{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer sub.Unsubscribe() //nolint:errcheck // fails only where the connection is closed, and the subscription with it
	err = nc.PublishMsg(&nats.Msg{
		Subject: subjects.Service(subjects.ServiceBgen, Endpoint), Reply: inbox, Data: data,
		Header: nats.Header{subjects.HeaderContentType: {ContentMsgpack}},
	})
	if err != nil {
		return Reply{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	for {
		m, err := next(ctx, sub)
		if err != nil {
			return Reply{}, err
		}
		reply, partial, err := read(m)
		if !partial || err != nil {
			return reply, err
		}
		if done, total, ok := parseProgress(m.Header.Get(HeaderProgress)); ok && progress != nil {
			progress(done, total)
		}
	}
}

// next waits for a reply, for as long as bgen may be silent.
func next(ctx context.Context, sub *nats.Subscription) (*nats.Msg, error) {
	wait, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	m, err := sub.NextMsgWithContext(wait)
	switch {
	case err == nil:
		return m, nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("population: request: %w", context.Cause(ctx))
	case errors.Is(err, nats.ErrNoResponders):
		return nil, fmt.Errorf("%w: nobody listens on %s", ErrUnavailable, subjects.Service(subjects.ServiceBgen, Endpoint))
	case errors.Is(err, context.DeadlineExceeded):
		return nil, fmt.Errorf("%w: nothing heard for %v", ErrLost, silence)
	}
	return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// read tells a partial reply from the last one, and takes that apart.
func read(m *nats.Msg) (reply Reply, partial bool, err error) {
	if text := m.Header.Get(micro.ErrorHeader); text != "" {
		switch code := m.Header.Get(micro.ErrorCodeHeader); code {
		case CodeBad, CodeType:
			return Reply{}, false, fmt.Errorf("%w: %s (code %s)", ErrRefused, text, code)
		default:
			return Reply{}, false, fmt.Errorf("%w: %s (code %s)", ErrUnavailable, text, code)
		}
	}
	if m.Header.Get(HeaderProgress) != "" {
		return Reply{}, true, nil
	}
	f, err := ParseFormat(m.Header.Get(subjects.HeaderContentType))
	if err != nil {
		return Reply{}, false, err
	}
	reply, err = f.DecodeReply(m.Data)
	return reply, false, err
}

// FormatProgress is the value of HeaderProgress.
func FormatProgress(done, total int) string { return strconv.Itoa(done) + "/" + strconv.Itoa(total) }

func parseProgress(text string) (done, total int, ok bool) {
	before, after, _ := strings.Cut(text, "/")
	done, err := strconv.Atoi(before)
	if err != nil {
		return 0, 0, false
	}
	total, err = strconv.Atoi(after)
	return done, total, err == nil
}
