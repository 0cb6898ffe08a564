package promise

import (
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

const (
	// tickEvery is how fine a holder's clock is.
	tickEvery = 250 * time.Millisecond
	// linger is how long a producer is watched when nobody waits for it any more: often the next wait comes soon.
	linger = 5 * time.Second
)

// watch listens to the signs of life of one producer. Its fields belong to Holder.mu.
type watch struct {
	sub   *nats.Subscription
	waits map[*wait]struct{}
	heard time.Duration // the last sign of life, on the holder's clock
	used  time.Time     // when somebody waited last
	gone  bool          // it said so
	again bool          // ask again for everything at the next tick
}

// clock is the time during which the holder's own connection worked.
type clock struct {
	now        time.Duration
	back       time.Duration // when the connection came back last
	echoed     bool          // a message to itself arrived since the last tick
	reconnects uint64
}

// newClock believes a connection that was made before its time.
func newClock(reconnects uint64) clock { return clock{back: -LostAfter, reconnects: reconnects} }

// watch returns the watch of a producer. h.mu is held.
func (h *Holder) watch(producer string) (*watch, error) {
	if w := h.watches[producer]; w != nil {
		return w, nil
	}
	w := &watch{waits: map[*wait]struct{}{}, heard: h.clock.now, used: time.Now()}
	var err error
	if w.sub, err = h.nc.Subscribe(subjects.Alive(producer), func(m *nats.Msg) { h.sign(w, string(m.Data)) }); err != nil {
		return nil, closed(err)
	}
	if len(h.watches) == 0 {
		h.clock.echoed = true // the clock stood still, and starts with the next tick
	}
	h.watches[producer] = w
	return w, nil
}

// sign handles a sign of life.
func (h *Holder) sign(w *watch, what string) {
	h.mu.Lock()
	w.heard = h.clock.now
	w.gone = what == signGone
	var again []*wait
	if what != "" {
		again = w.all()
	}
	h.mu.Unlock()
	for _, one := range again {
		h.ask(one)
	}
}

func (w *watch) all() []*wait {
	list := make([]*wait, 0, len(w.waits))
	for one := range w.waits {
		list = append(list, one)
	}
	return list
}

// silent is how long a producer gave no sign of life. h.mu is held.
func (h *Holder) silent(w *watch) time.Duration { return h.clock.now - w.heard }

// believable reports whether the broker is to be believed that nobody listens on a producer's subjects: not while the
// producer may have lost its connection for a moment, with ours or alone. h.mu is held.
func (h *Holder) believable(w *watch) bool {
	return w.gone || h.silent(w) >= AskAgain && h.clock.now-h.clock.back >= LostAfter
}

// run is the holder's clock, until Close.
func (h *Holder) run() {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		select {
		case <-h.done:
			return
		case <-tick.C:
			h.tick()
		}
	}
}

// tick moves the clock, gives up producers that are silent, and asks again where something may have been lost.
func (h *Holder) tick() {
	again, idle, active := h.advance()
	for _, sub := range idle {
		h.unsubscribe(sub)
	}
	for _, w := range again {
		h.ask(w)
	}
	if active {
		_ = h.nc.Publish(h.inbox+echo, nil) // where it cannot be sent it does not arrive, which says the same
	}
}

// advance returns what a tick has to do without h.mu: waits to ask for again, subscriptions to end, and whether any is left.
func (h *Holder) advance() (again []*wait, idle []*nats.Subscription, active bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.nc.IsClosed() {
		h.endAll(fmt.Errorf("%w: %w", wire.ErrUnavailable, nats.ErrConnectionClosed))
		return nil, nil, false
	}
	before := h.clock.now
	if h.clock.echoed {
		h.clock.now += tickEvery
		h.clock.echoed = false
	}
	if n := h.nc.Stats().Reconnects; n != h.clock.reconnects {
		h.clock.reconnects, h.clock.back = n, h.clock.now
		for _, w := range h.watches {
			w.heard, w.again = h.clock.now, true
		}
	}
	for producer, w := range h.watches {
		switch {
		case len(w.waits) > 0:
			w.used = time.Now()
		case time.Since(w.used) > linger:
			delete(h.watches, producer)
			idle = append(idle, w.sub)
			continue
		}
		again = append(again, h.look(producer, w, before)...)
	}
	return again, idle, len(h.watches) > 0
}

// look ends the waits for a producer that is lost, and returns those to ask for again. before is what the clock showed in
// the last tick. h.mu is held.
func (h *Holder) look(producer string, w *watch, before time.Duration) []*wait {
	silent := h.silent(w)
	// Once in each AskAgain of silence.
	all := w.again || silent/AskAgain > max(before-w.heard, 0)/AskAgain
	w.again = false
	var again []*wait
	ended := 0
	for one := range w.waits {
		switch {
		case silent >= LostAfter && h.clock.now-one.since >= LostAfter:
			h.end(one, msg.Msg{}, lost(producer))
			ended++
		case all || one.again:
			one.again = false
			again = append(again, one)
		}
	}
	if ended > 0 {
		h.log.Warn("promises: a producer gives no sign of life", "producer", producer, "waits", ended)
	}
	return again
}
