package runlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// reader is one Follow. It reads in sessions, each with a consumer of its own that begins after the last record delivered;
// whatever goes wrong with a session, the next one takes over.
//
// The client's ordered consumer does the same, but its reset waits out an outage with locks held and without a context:
// a service would need up to twenty seconds to stop, and one that stops while the reset ends would wait for ever.
type reader struct {
	js       jetstream.JetStream
	stream   string
	filters  []string
	ahead    int          // records the client holds
	caughtUp func() error // nil once called
	fn       func(Entry) error

	next    uint64    // sequence to go on at
	read    uint64    // last sequence delivered
	upto    uint64    // last sequence that existed at the call
	created time.Time // of the stream; zero before the first session
	wait    time.Duration
}

// Times of a reader.
const (
	apiTimeout     = 5 * time.Second        // for one request to the broker
	cleanupTimeout = 500 * time.Millisecond // for the deletion of a consumer that is not needed any more
	forgetAfter    = 30 * time.Second       // the broker deletes a consumer nobody reads from
	heartbeat      = 2 * time.Second        // twice that without a sign of the consumer ends the session
	quiet          = time.Second            // nothing came while records should: ask whether they were purged
	firstPause     = 20 * time.Millisecond
	longestPause   = time.Second
)

// fetchAhead is how many records the client holds before they are asked for. An answer record has 300 KB at most, unless a
// single answer has more; those of a million plain numbers have 27 KB. Fewer would make a busy machine wait for each request to
// come round: with 64 a round of a million took a tenth longer. (The client can bound bytes as well, but then the broker's word
// that a request has brought them all takes a place of a record, and is dropped where there is none.)
const fetchAhead = 256

// readAhead is fetchAhead for who reads what is there, however slowly: an export waits for whoever it goes to, and what is held
// meanwhile must not be half a round.
const readAhead = 32

// errSilent ends a session that brings nothing, though there is something.
var errSilent = errors.New("no records come")

// finalError ends the Follow, not just the session.
type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }

// session reads from one consumer until something breaks; it never returns nil.
func (r *reader) session(ctx context.Context) error {
	if err := r.connected(ctx); err != nil {
		return err
	}
	ctx, end := untilDisconnected(ctx, r.js.Conn())
	defer end()
	cons, err := r.consumer(ctx)
	if err != nil {
		return err
	}
	defer r.forget(ctx, cons.CachedInfo().Name)
	if cons.CachedInfo().NumPending == 0 {
		if err := r.reached(); err != nil {
			return err
		}
	}
	it, err := cons.Messages(jetstream.PullMaxMessages(r.ahead), jetstream.PullHeartbeat(heartbeat),
		jetstream.PullExpiry(10*heartbeat), jetstream.WithMessagesErrOnMissingHeartbeat(true))
	if err != nil {
		return err
	}
	defer it.Stop()
	for at := uint64(1); ; at++ {
		msg, err := r.receive(ctx, cons, it, at-1)
		if err != nil {
			return err
		}
		meta, err := msg.Metadata()
		if err != nil {
			return err
		}
		if meta.Sequence.Consumer != at || meta.Sequence.Stream < r.next {
			return fmt.Errorf("record %d of the consumer came as number %d", meta.Sequence.Consumer, at)
		}
		e := Entry{Subject: msg.Subject(), Seq: meta.Sequence.Stream, Time: meta.Timestamp, Data: msg.Data()}
		if err := r.deliver(e, meta.NumPending); err != nil {
			return err
		}
	}
}

// consumer makes the consumer of a session.
func (r *reader) consumer(ctx context.Context) (jetstream.Consumer, error) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	stream, err := r.js.Stream(ctx, r.stream)
	if err != nil {
		return nil, err
	}
	switch info := stream.CachedInfo(); {
	case r.created.IsZero():
		r.created, r.upto = info.Created, info.State.LastSeq
	case !info.Created.Equal(r.created) || info.State.LastSeq < r.read:
		return nil, finalError{fmt.Errorf("%w: record %d of the stream of %v was read, now there is one of %v that ends at %d",
			ErrReplaced, r.read, r.created, info.Created, info.State.LastSeq)}
	}
	return stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       r.next,
		FilterSubjects:    r.filters,
		AckPolicy:         jetstream.AckNonePolicy,
		InactiveThreshold: forgetAfter,
		MemoryStorage:     true,
		Replicas:          1,
	})
}

// receive waits for the next message. While records are due that do not come it asks the broker whether they still exist:
// those of a run that was purged meanwhile never come. A request for records may be lost on its way through a cluster, which
// the client would notice by the heartbeats that it misses, but it counts them anew whenever it is called.
func (r *reader) receive(ctx context.Context, cons jetstream.Consumer, it jetstream.MessagesContext, delivered uint64) (jetstream.Msg, error) {
	began := time.Now()
	for r.caughtUp != nil {
		short, cancel := context.WithTimeout(ctx, quiet)
		msg, err := it.Next(jetstream.NextContext(short))
		cancel()
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return msg, err
		}
		asked, cancel := context.WithTimeout(ctx, apiTimeout)
		info, err := cons.Info(asked)
		cancel()
		if err != nil {
			return nil, err
		}
		switch {
		case info.NumPending == 0 && info.Delivered.Consumer <= delivered:
			if err := r.reached(); err != nil {
				return nil, err
			}
		case info.NumWaiting == 0 || time.Since(began) > 2*heartbeat:
			return nil, fmt.Errorf("%w: %d are due, %d requests wait for them", errSilent, info.NumPending, info.NumWaiting)
		}
	}
	return it.Next(jetstream.NextContext(ctx))
}

// deliver hands on a record after which the consumer has pending ones left.
func (r *reader) deliver(e Entry, pending uint64) error {
	if e.Seq > r.upto {
		if err := r.reached(); err != nil {
			return err
		}
	}
	if err := r.fn(e); err != nil {
		return finalError{err}
	}
	r.next, r.read, r.wait = e.Seq+1, e.Seq, 0
	if e.Seq >= r.upto || pending == 0 {
		return r.reached()
	}
	return nil
}

// reached calls caughtUp, unless it was called before.
func (r *reader) reached() error {
	call := r.caughtUp
	r.caughtUp = nil
	if call == nil {
		return nil
	}
	if err := call(); err != nil {
		return finalError{err}
	}
	return nil
}

// forget deletes a consumer. Where that fails the broker does it after forgetAfter; consumers are limited.
func (r *reader) forget(ctx context.Context, name string) {
	if !r.js.Conn().IsConnected() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	_ = r.js.DeleteConsumer(ctx, r.stream, name) // see above
}

// pause waits before the next session, the longer the more sessions have brought nothing.
func (r *reader) pause(ctx context.Context) error {
	t := time.NewTimer(r.wait)
	defer t.Stop()
	r.wait = min(max(2*r.wait, firstPause), longestPause)
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// connected waits until the connection is there: a request made before would only time out.
func (r *reader) connected(ctx context.Context) error {
	nc := r.js.Conn()
	changed := nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer nc.RemoveStatusListener(changed)
	for !nc.IsConnected() {
		if nc.IsClosed() {
			return nats.ErrConnectionClosed
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// untilDisconnected returns a context that ends with ctx, when the connection is lost, or when end is called. A broker that
// restarts has forgotten the consumer, which the client would notice only by missing heartbeats.
func untilDisconnected(ctx context.Context, nc *nats.Conn) (out context.Context, end func()) {
	out, cancel := context.WithCancel(ctx)
	lost := nc.StatusChanged(nats.RECONNECTING, nats.CLOSED)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-lost:
		case <-out.Done():
		}
		cancel()
	}()
	return out, func() {
		cancel()
		<-done
		nc.RemoveStatusListener(lost)
	}
}

// refusedForGood reports whether a session failed for a reason that does not go away by itself.
func refusedForGood(err error) bool {
	var api *jetstream.APIError
	return errors.Is(err, nats.ErrConnectionClosed) ||
		errors.As(err, &api) && api.Code >= 400 && api.Code < 500 && api.ErrorCode != jetstream.JSErrCodeConsumerNotFound
}
