package actor

import (
	"context"
	"math"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Bounds on what a participant is given at once.
const (
	giveCount = 256
	giveBytes = 192 * 1024 // below recordBytes, so that what everyone remembers of it goes into one record
)

// portion is what participants at the same place in a hub are given next. Those who share it are one group in the log.
type portion struct {
	list    []*utterance
	senders map[subjects.Address]bool
	upto    uint64
}

// give gives those who wait for nothing else what they have not heard.
func (h *hub) give(ctx context.Context) {
	if ctx.Err() != nil {
		return
	}
	h.mu.Lock()
	if h.busy == len(h.listeners) && h.busy > 0 { // the last to come back goes on here
		h.mu.Unlock()
		return
	}
	portions := map[uint64]*portion{}
	var gifts []func()
	lowest := uint64(math.MaxUint64)
	for _, l := range h.listeners {
		if !l.busy {
			if p := h.next(l, portions); p != nil {
				if gift := h.gift(ctx, l, p); gift != nil {
					l.busy = true
					h.busy++
					gifts = append(gifts, gift)
				}
			}
		}
		lowest = min(lowest, l.upto)
	}
	h.drop(lowest)
	if h.over && len(h.said) == 0 && h.busy == 0 {
		h.end()
	}
	h.mu.Unlock()
	for _, gift := range gifts {
		gift()
	}
}

// next is what a participant is given next, nil if there is nothing. h.mu is held.
func (h *hub) next(l *listener, portions map[uint64]*portion) *portion {
	from := h.after(l.upto)
	if from == len(h.said) {
		return nil
	}
	if !l.anything(h.said[from:]) {
		l.upto = h.said[len(h.said)-1].seq
		return nil
	}
	first := h.said[from].seq
	p := portions[first]
	if p == nil {
		p = &portion{senders: map[subjects.Address]bool{}}
		bytes := 0
		for _, u := range h.said[from:] {
			if bytes += len(u.data); len(p.list) == giveCount || bytes > giveBytes && len(p.list) > 0 {
				break
			}
			p.list = append(p.list, u)
			p.senders[u.sender] = true
			p.upto = u.seq
		}
		portions[first] = p
	}
	return p
}

// anything reports whether any of what was said is for the participant.
func (l *listener) anything(said []*utterance) bool {
	if l.hears(said[0].seq) {
		return true
	}
	for _, u := range said {
		if l.hears(u.seq) {
			return true
		}
	}
	return false
}

// drop forgets what everyone has been given. h.mu is held.
func (h *hub) drop(upto uint64) {
	n := h.after(upto)
	for _, u := range h.said[:n] {
		h.bytes -= len(u.data)
	}
	clear(h.said[:n])
	if h.said = h.said[n:]; n > 0 {
		select {
		case h.more <- struct{}{}:
		default:
		}
	}
}

// gift prepares the giving of a portion to a participant; nil if there is no such agent, which has then missed it. h.mu is held.
func (h *hub) gift(ctx context.Context, l *listener, p *portion) func() {
	a := h.run.agent(l.name)
	if a == nil || a.process {
		l.upto = p.upto
		return nil
	}
	mine := p.list
	if p.senders[a.address] || len(l.spans) > 1 || !l.hears(mine[0].seq) || !l.hears(p.upto) {
		mine = nil
		for _, u := range p.list {
			if l.hears(u.seq) && u.sender != a.address {
				mine = append(mine, u)
			}
		}
	}
	given := func() { h.given(l, p.upto) } // what comes next is given once all of the record are there, see journal.write
	return func() {
		err := a.enqueue(item{do: func() { h.observe(ctx, a, mine, p.upto, given) }})
		if err != nil { // it was deleted
			given()
			h.give(ctx)
		}
	}
}

// given notes how far a participant has heard.
func (h *hub) given(l *listener, upto uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l.upto, l.busy = upto, false
	h.busy--
}

// observe is an agent's turn to hear what was said up to a message.
func (h *hub) observe(ctx context.Context, a *actor, said []*utterance, upto uint64, given func()) {
	if ctx.Err() != nil {
		return // the next life goes on here
	}
	e := &entry{kind: entryHeard, hub: h.name, upto: upto, numbers: []int{a.number}}
	if len(said) > 0 {
		if err := a.listen(ctx, e, said); err != nil {
			if ctx.Err() != nil {
				return
			}
			h.run.rt.log.Warn("an agent did not take what was said in a hub", "run", h.run.name, "hub", h.name, "agent", a.name, "error", err)
			e = &entry{kind: entryHeard, hub: h.name, upto: upto, numbers: e.numbers, code: wire.Code(err), text: shortText(err)}
		}
	}
	a.log(e, given)
}

// listen lets an agent observe what was said, and notes in an entry what that changed.
func (a *actor) listen(ctx context.Context, e *entry, said []*utterance) error {
	if a.broken != nil {
		return a.broken
	}
	ctx, end := context.WithTimeoutCause(ctx, a.run.rt.cfg.CallTimeout, wire.ErrDeadline)
	defer end()
	ctx, leave, err := a.run.rt.slots.enter(ctx)
	if err != nil {
		return err
	}
	in := make([]msg.Msg, len(said)) // the agent's own: what others get must not change under them
	for i, u := range said {
		in[i] = *u.m
	}
	a.count()
	_, err = a.run.rt.guard(a, func() (msg.Msg, error) { return msg.Msg{}, a.code.Observe(ctx, in...) })
	leave()
	if err == nil {
		e.said = said
		err = a.settle(e, nil)
	}
	if err != nil {
		a.takeBack(err)
	}
	return err
}

// end logs that the hub is no more, and begins with the next one of that name if there is one. h.mu is held.
func (h *hub) end() {
	seq := h.ending
	h.ending, h.over, h.follows, h.begin = 0, false, false, seq
	clear(h.listeners)
	clear(h.cursors)
	then := h.then
	h.then = nil
	h.run.journal.submit(&entry{kind: entryEnded, hub: h.name, upto: seq}, func() {
		for _, again := range then {
			again()
		}
	})
}
