package promise

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Holder asks for what was promised. It is safe for concurrent use; a process needs one per connection.
type Holder struct {
	nc    *nats.Conn
	log   *slog.Logger
	inbox string // with a "." at its end
	sub   *nats.Subscription

	mu      sync.Mutex
	waits   map[promised]*wait
	tokens  map[string]*wait // by the last token of the subject of the reply
	watches map[string]*watch
	asked   uint64
	clock   clock
	closed  bool

	done  chan struct{}
	ticks sync.WaitGroup
}

// promised is what tells placeholders apart.
type promised struct{ run, producer, id string }

// NewHolder starts a holder. The caller closes it, before nc. The error is that of the connection.
func NewHolder(nc *nats.Conn, log *slog.Logger) (*Holder, error) {
	h := &Holder{
		nc: nc, log: log, inbox: nc.NewInbox() + ".",
		waits: map[promised]*wait{}, tokens: map[string]*wait{}, watches: map[string]*watch{},
		clock: newClock(nc.Stats().Reconnects), done: make(chan struct{}),
	}
	var err error
	if h.sub, err = nc.Subscribe(h.inbox+"*", h.reply); err != nil {
		return nil, fmt.Errorf("promise: %w", err)
	}
	// What arrives was asked for, so it is bounded by that; a limit here could only lose replies.
	if err := h.sub.SetPendingLimits(-1, -1); err != nil {
		return nil, fmt.Errorf("promise: %w", err)
	}
	h.ticks.Go(h.run)
	return h, nil
}

// Resolve waits for what a message promises, through promises of promises; a message that is no promise comes back as it
// is. Errors are those the work ended with, and wire.ErrProducerLost, wire.ErrExpired, wire.ErrCancelled, wire.ErrDeadline,
// wire.ErrTooLarge (the answer, or more than MaxHops promises), wire.ErrCycle (a promise of itself), wire.ErrBadRequest
// (there never was such a promise), wire.ErrStopped (Close), wire.ErrUnavailable (the connection was closed), or that of ctx.
func (h *Holder) Resolve(ctx context.Context, m msg.Msg) (msg.Msg, error) {
	var trail trail
	for m.Pending() {
		at, err := trail.step(m.Placeholder)
		if err != nil {
			return msg.Msg{}, err
		}
		if m, err = h.wait(ctx, at); err != nil {
			return msg.Msg{}, err
		}
	}
	return m, nil
}

// Cancel ends the work on what a message promises, also where that work was handed on as another promise. All who wait for
// it get wire.ErrCancelled; work that is done stays done. The error says that the producer did not hear of it
// (wire.ErrProducerLost, wire.ErrUnavailable), has forgotten the promise (wire.ErrExpired) or never made it
// (wire.ErrBadRequest), or is that of ctx.
func (h *Holder) Cancel(ctx context.Context, m msg.Msg) error {
	var trail trail
	for m.Pending() {
		at, err := trail.step(m.Placeholder)
		if err != nil {
			return err
		}
		if m, err = h.cancel(ctx, at); err != nil {
			return err
		}
	}
	return nil
}

func (h *Holder) cancel(ctx context.Context, at promised) (msg.Msg, error) {
	within, stop := context.WithTimeout(ctx, LostAfter)
	defer stop()
	r := wire.Request{Header: map[string]string{subjects.HeaderCancel: "1"}}
	out, err := wire.Ask(within, h.nc, subjects.Task(at.run, at.producer, at.id), r)
	switch {
	case err == nil:
		return out, nil
	case errors.Is(err, wire.ErrNobody):
		return msg.Msg{}, lost(at.producer)
	case ctx.Err() != nil:
		return msg.Msg{}, fmt.Errorf("promise: %w", context.Cause(ctx))
	case within.Err() != nil:
		return msg.Msg{}, fmt.Errorf("%w: %s does not confirm the cancellation", wire.ErrUnavailable, at.producer)
	}
	return msg.Msg{}, err
}

// Close ends all waits with wire.ErrStopped.
func (h *Holder) Close() {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return
	}
	h.closed = true
	h.endAll(fmt.Errorf("%w: who waited for the promise does", wire.ErrStopped))
	subs := []*nats.Subscription{h.sub}
	for _, w := range h.watches {
		subs = append(subs, w.sub)
	}
	clear(h.watches)
	h.mu.Unlock()
	close(h.done)
	h.ticks.Wait()
	for _, sub := range subs {
		h.unsubscribe(sub)
	}
}

func (h *Holder) unsubscribe(sub *nats.Subscription) {
	if err := sub.Unsubscribe(); err != nil && !h.nc.IsClosed() {
		h.log.Warn("promises: cannot unsubscribe", "subject", sub.Subject, "error", err)
	}
}

// trail is the way from promise to promise.
type trail struct {
	first promised
	seen  map[promised]struct{} // made at the second step, which is rare
	steps int
}

// step goes on to a promise. It refuses one that would be in vain to ask for.
func (t *trail) step(p *msg.Placeholder) (promised, error) {
	at := promised{p.Run, p.Producer, p.ID}
	switch t.steps++; {
	case p.Expired(time.Now().Add(-ClockSkew)):
		return at, fmt.Errorf("%w, until %s", wire.ErrExpired, p.Expires.Format(time.RFC3339))
	case t.steps == 1:
		t.first = at
		return at, nil
	case t.steps == 2:
		t.seen = map[promised]struct{}{t.first: {}}
	case t.steps > MaxHops:
		return at, fmt.Errorf("%w: a promise of a promise, %d times", wire.ErrTooLarge, MaxHops)
	}
	if _, ok := t.seen[at]; ok {
		return at, fmt.Errorf("%w: a promise of %s leads back to itself", wire.ErrCycle, at.producer)
	}
	t.seen[at] = struct{}{}
	return at, nil
}

func lost(producer string) error {
	return fmt.Errorf("%w: it was %s", wire.ErrProducerLost, producer)
}
