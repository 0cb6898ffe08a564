package promise

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// wait is one open request, shared by all here who want its reply. Its fields belong to Holder.mu; out and err may be read
// once done is closed.
type wait struct {
	at      promised
	subject string
	token   string
	watch   *watch
	holders int
	since   time.Duration // on the holder's clock
	again   bool          // nobody heard the last request, or it was not sent
	done    chan struct{}
	out     msg.Msg
	err     error
}

// maxSubject is a bound in bytes on what a hostile placeholder can make of a subject: a broker ends the connection of
// whoever sends it a line of 4 KiB.
const maxSubject = 1024

// echo is the token of a holder's messages to itself; those of waits begin with a number.
const echo = "_"

// wait asks for a promise, or joins those who asked already, and waits for the reply.
func (h *Holder) wait(ctx context.Context, at promised) (msg.Msg, error) {
	if ctx.Err() != nil {
		return msg.Msg{}, fmt.Errorf("promise: %w", context.Cause(ctx))
	}
	w, first, err := h.join(at)
	if err != nil {
		return msg.Msg{}, err
	}
	if first {
		h.ask(w)
	}
	select {
	case <-w.done:
		return w.out, w.err
	case <-ctx.Done():
		h.leave(w)
		return msg.Msg{}, fmt.Errorf("promise: %w", context.Cause(ctx))
	}
}

// join returns the wait for a promise; first says that it is new and the request still to be sent.
func (h *Holder) join(at promised) (w *wait, first bool, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, false, wire.ErrStopped
	}
	if w := h.waits[at]; w != nil {
		w.holders++
		return w, false, nil
	}
	subject := subjects.Task(at.run, at.producer, at.id)
	if len(subject) > maxSubject {
		return nil, false, fmt.Errorf("%w: a placeholder with a subject of %d bytes, the limit is %d", wire.ErrBadRequest, len(subject), maxSubject)
	}
	watch, err := h.watch(at.producer)
	if err != nil {
		return nil, false, err
	}
	h.asked++
	// Whoever is asked sees the token. It must not tell those of other requests, which it could answer then.
	w = &wait{
		at: at, subject: subject, token: strconv.FormatUint(h.asked, 36) + rand.Text(), watch: watch,
		holders: 1, since: h.clock.now, done: make(chan struct{}),
	}
	h.waits[at], h.tokens[w.token], watch.waits[w] = w, w, struct{}{}
	return w, true, nil
}

// leave takes one who waits away. The last one ends the wait; its reply will find nobody.
func (h *Holder) leave(w *wait) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w.holders--
	if w.holders == 0 && h.tokens[w.token] == w {
		h.forget(w)
	}
}

// ask sends the request of a wait, for the first time or again.
func (h *Holder) ask(w *wait) {
	err := h.nc.PublishRequest(w.subject, h.inbox+w.token, nil)
	if err == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if errors.Is(err, nats.ErrConnectionClosed) {
		h.end(w, msg.Msg{}, closed(err))
		return
	}
	w.again = true
}

// reply handles what comes to the inbox.
func (h *Holder) reply(m *nats.Msg) {
	token := strings.TrimPrefix(m.Subject, h.inbox)
	if token == echo {
		h.mu.Lock()
		h.clock.echoed = true
		h.mu.Unlock()
		return
	}
	nobody := len(m.Data) == 0 && m.Header.Get("Status") == "503" // from the broker
	var out msg.Msg
	var err error
	if !nobody {
		out, err = wire.ReadAnswer(m)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	w := h.tokens[token]
	if w == nil {
		return // nobody waits any more, or it is the second reply
	}
	switch {
	case !nobody:
		w.watch.heard = h.clock.now
		h.end(w, out, err)
	case h.believable(w.watch):
		h.end(w, msg.Msg{}, lost(w.at.producer))
	default:
		w.again = true
	}
}

// end gives a wait its result. h.mu is held.
func (h *Holder) end(w *wait, out msg.Msg, err error) {
	if h.tokens[w.token] != w {
		return
	}
	h.forget(w)
	w.out, w.err = out, err
	close(w.done)
}

// forget takes a wait out of all lists. h.mu is held.
func (h *Holder) forget(w *wait) {
	delete(h.waits, w.at)
	delete(h.tokens, w.token)
	delete(w.watch.waits, w)
}

// endAll ends all waits with an error. h.mu is held.
func (h *Holder) endAll(err error) {
	for _, w := range h.tokens {
		h.end(w, msg.Msg{}, err)
	}
}

func closed(err error) error { return fmt.Errorf("%w: %w", wire.ErrUnavailable, err) }
