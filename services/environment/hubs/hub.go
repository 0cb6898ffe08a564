package hubs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/myriad-sim/myriad/internal/checkpoint"
	"github.com/myriad-sim/myriad/internal/wire"
)

// Bounds on what waits for one hub.
const (
	maxWaiting      = 4096
	maxWaitingBytes = 64 << 20
)

// idle is how long a hub that nobody asks is held in memory.
const idle = time.Minute

// hub is the actor of one hub: one goroutine evaluates its verbs, in order of arrival.
type hub struct {
	*Server
	run, name, subject string

	// Under Server.mu.
	queue  []*verb
	queued int           // bytes
	wake   chan struct{} // has a place for one

	// Of the goroutine.
	state   state
	tail    checkpoint.Tail // after the last checkpoint
	noted   map[string]bool // places that the couriers know of
	notedAt uint64          // sequence at which the hub of noted was created
}

// serve is the hub's goroutine. It ends when nothing has come for a while, or when the server stops and nothing is left.
func (h *hub) serve(ctx context.Context) {
	for {
		for list := h.take(); len(list) > 0; list = h.take() {
			h.work(ctx, list)
		}
		rest := idle
		if h.state.created == 0 {
			rest = 0 // any name can be asked for
		}
		timer := time.NewTimer(rest)
		select {
		case <-h.wake:
			timer.Stop()
			continue
		case <-timer.C:
		case <-h.quit:
		}
		timer.Stop()
		if h.retire() {
			return
		}
	}
}

// take returns what waits.
func (h *hub) take() []*verb {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := h.queue
	h.waiting -= h.queued
	h.queue, h.queued = nil, 0
	return list
}

// retire takes the hub out of the server's memory, unless something waits for it.
func (h *hub) retire() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.queue) > 0 {
		return false
	}
	delete(h.hubs, h.subject)
	return true
}

// work evaluates verbs until all are answered.
func (h *hub) work(ctx context.Context, list []*verb) {
	for len(list) > 0 {
		var err error
		if list, err = h.step(ctx, list); err == nil {
			continue
		}
		for _, v := range list {
			v.answer(nil, h.outage(err))
		}
		return
	}
}

// outage is the error of verbs whose outcome is not known.
func (h *hub) outage(err error) error {
	if errors.Is(err, wire.ErrStopped) {
		return err
	}
	return fmt.Errorf("%w: %w; a repeated request with a request id is not done twice", wire.ErrUnavailable, err)
}

// step evaluates as many verbs as go into one write and returns the others. Every answer is given for a state that was the
// newest: either records were appended on the condition that it is, or the broker was asked.
func (h *hub) step(ctx context.Context, list []*verb) ([]*verb, error) {
	list, err := h.prepare(ctx, list)
	if err != nil {
		return list, err
	}
	created := h.state.created
	d := newDraft(&h.state, list)
	outcomes := make([]outcome, 0, len(list))
	for _, v := range list {
		out, ok := d.add(v)
		if !ok {
			break
		}
		outcomes = append(outcomes, out)
	}
	var first uint64
	if len(d.records) > 0 {
		if first, err = h.append(ctx, d.records); errors.Is(err, errMoved) {
			return list, nil
		}
	} else {
		var found news
		if found, err = h.catchUp(ctx); err == nil && found.any() {
			return list, nil
		}
	}
	if err != nil && ctx.Err() == nil && len(outcomes) > 0 {
		// The broker does not take this write, which says nothing about the next.
		for _, v := range list[:len(outcomes)] {
			v.answer(nil, err)
		}
		return list[len(outcomes):], nil
	}
	if err != nil {
		return list, err
	}
	for i, out := range outcomes {
		h.reply(ctx, list[i], out, first, created)
	}
	h.putAway(ctx)
	return list[len(outcomes):], nil
}

// reply answers a verb. first is the sequence of the first record that was appended, created that of the one that created
// the hub as it was before.
func (h *hub) reply(ctx context.Context, v *verb, out outcome, first, created uint64) {
	switch {
	case out.err != nil:
		v.answer(nil, out.err)
	case out.read != nil && out.read.in != nil:
		v.answer(participantsReply(v, out.read.in), nil)
	case out.read != nil:
		h.tasks.Go(func() { v.answer(h.history(ctx, h.subject, out.read.created, v)) })
	default:
		if out.draft {
			out.seqs.first += first
		}
		v.answer(map[string]any{"seq": out.seqs.seqs()}, nil)
		if v.name == verbClose && out.draft {
			h.tasks.Go(func() { h.forget(ctx, created) })
		}
	}
}

// prepare answers verbs that are too late, and makes sure that there is somebody to tell the hosts of those who join: that
// must not be forgotten if this program ends when they have.
func (h *hub) prepare(ctx context.Context, list []*verb) ([]*verb, error) {
	if h.state.last == 0 {
		h.fromCheckpoint(ctx)
		if _, err := h.catchUp(ctx); err != nil {
			return list, err
		}
	}
	if h.notedAt != h.state.created {
		h.noted, h.notedAt = map[string]bool{}, h.state.created
	}
	now := time.Now()
	kept := list[:0:0]
	for i, v := range list {
		if !v.deadline.IsZero() && now.After(v.deadline) {
			v.answer(nil, fmt.Errorf("%w: it waited too long for its turn", wire.ErrDeadline))
			continue
		}
		if v.name == verbAdd && h.state.created != 0 {
			if err := h.note(ctx, v.addresses); err != nil {
				return append(kept, list[i:]...), err
			}
		}
		kept = append(kept, v)
	}
	return kept, nil
}
