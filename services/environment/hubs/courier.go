package hubs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

const (
	// observeTimeout is how long a courier waits for one acknowledgement. A repeated request joins the one in flight.
	observeTimeout = 5 * time.Second
	// What a courier reads at once.
	carryCount = 64
	carryBytes = 256 << 10
)

// courier carries what is said to one participant, in order, each message until it is acknowledged.
type courier struct {
	*post
	to     subjects.Address
	at     uint64 // the last record it has done with
	inside bool   // the participant takes part at that record
	gone   bool   // its host has no such agent
}

// serve works until the participant has left, the hub is deleted, or ctx is done.
func (c *courier) serve(ctx context.Context) {
	for {
		news := c.news()
		var list []record
		_, err := c.read(ctx, subjects.HubSaid(c.run, c.hub), c.at+1, carryCount, carryBytes, func(r record) bool {
			list = append(list, r)
			return true
		})
		for _, r := range list {
			if !c.carry(ctx, &r) {
				return
			}
		}
		switch {
		case !c.inside && c.finish(false):
			return
		case len(list) > 0:
		case err != nil || c.behind():
			if pause(ctx, askFirst) != nil {
				return
			}
		default:
			select {
			case <-news:
			case <-ctx.Done():
				return
			}
		}
	}
}

// carry deals with the next record. It returns false when there is nothing left to do.
func (c *courier) carry(ctx context.Context, r *record) bool {
	switch r.kind {
	case subjects.SaidDeleted:
		c.finish(true)
		return false
	case subjects.SaidJoined, subjects.SaidLeft:
		if r.member() == c.to {
			c.inside, c.gone = r.kind == subjects.SaidJoined, false
		}
	case subjects.SaidMessage, subjects.SaidAnnouncement:
		if c.inside && !c.gone && r.sender != c.to && !c.tell(ctx, r) {
			return false
		}
	}
	if c.at = r.seq; c.inside {
		c.shared.Lock()
		defer c.shared.Unlock()
		// While the participant is out the place written down stays before the record with which it left, so that a
		// successor knows.
		c.duty.Upto[c.to], c.changed = c.at, true
	}
	return true
}

// finish ends the courier, unless the participant may have joined again.
func (c *courier) finish(anyway bool) bool {
	c.shared.Lock()
	if !anyway && c.duty.Seen > c.at {
		c.shared.Unlock()
		return false
	}
	delete(c.couriers, c.to)
	delete(c.duty.Upto, c.to)
	c.shared.Unlock()
	c.set(func() {})
	return true
}

// behind reports whether there are records that were not read yet.
func (c *courier) behind() bool {
	c.shared.Lock()
	defer c.shared.Unlock()
	return c.at < c.latest
}

// tell asks the participant to observe a message until it has. It returns false when ctx is done.
func (c *courier) tell(ctx context.Context, r *record) bool {
	m, err := r.said()
	if err != nil {
		return true // somebody else put it on the subject
	}
	req := wire.Request{Msgs: []msg.Msg{m}, ID: fmt.Sprintf("hub:%s:%d", c.hub, r.seq)}
	if r.sender.Check() == nil {
		req.Sender = r.sender
	}
	retry := newRetry()
	for {
		err := c.request(ctx, observeTimeout, subjects.At(c.run, c.to, subjects.VerbObserve), req)
		switch {
		case ctx.Err() != nil:
			return false
		case errors.Is(err, wire.ErrNoAgent):
			if err := c.leave(ctx); err == nil {
				c.gone = true
				return true
			}
		case err == nil:
			return true
		case !unanswered(err):
			// It has heard, and has an opinion.
			c.log.Warn("a participant refused what was said", "run", c.run, "hub", c.hub, "to", c.to, "seq", r.seq, "error", err)
			return true
		}
		if pause(ctx, retry.NextBackOff()) != nil {
			return false
		}
	}
}

// leave takes a participant that does not exist out of the hub.
func (c *courier) leave(ctx context.Context) error {
	v := &verb{run: c.run, hub: c.hub, name: verbDelete}
	if err := v.setAddresses([]subjects.Address{c.to}); err != nil {
		return err
	}
	answered := make(chan error, 1)
	v.answer = func(_ any, err error) { answered <- err }
	c.enqueue(v)
	select {
	case err := <-answered:
		if errors.Is(err, wire.ErrNoHub) {
			return nil
		}
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// newRetry is the times between requests to somebody who does not answer.
func newRetry() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = askFirst, askLongest
	return b
}
