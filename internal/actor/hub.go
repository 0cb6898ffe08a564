package actor

import (
	"context"
	"fmt"
	"math"
	"sort"
	"sync"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// hub is a hub in which agents of this host take part. Its stream says who they are, and what is said; each of them is at a
// place of its own in it, so that one that takes long keeps no other from hearing.
type hub struct {
	run  *run
	name string
	more chan struct{} // gets a word when there is room for more to be said

	mu        sync.Mutex
	goOn      func() // gives those who are free what they have not heard
	follows   bool
	begin     uint64 // only what comes after counts: the end of a hub of the same name
	ending    uint64 // the hub was deleted with this message; 0: it was not
	over      bool   // and nothing came after it
	then      []func()
	cursors   map[int]uint64 // by agent: what it has heard, as the log says
	listeners map[string]*listener
	busy      int          // listeners that are
	said      []*utterance // not yet given to everyone, oldest first
	bytes     int
}

// utterance is something that was said in a hub.
type utterance struct {
	seq    uint64
	sender subjects.Address
	piece
}

// listener is a participant of a hub.
type listener struct {
	name  string
	spans []span // when it took part, in order
	upto  uint64 // the last message it was given, or need not be
	busy  bool   // it is being given something, or the log does not have that yet
}

// span is a part of the stream: after one message, up to another.
type span struct{ after, upto uint64 }

func (l *listener) hears(seq uint64) bool {
	for _, s := range l.spans {
		if s.after < seq && seq < s.upto {
			return true
		}
	}
	return false
}

// A hub keeps as much as this of what was said and not yet given to everyone; then it reads no further.
const (
	mostSaid      = 1 << 14
	mostSaidBytes = 64 << 20
)

// hub returns a hub of the run, which begins as one that is not followed.
func (r *run) hub(name string) *hub {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.hubs[name]
	if h == nil {
		h = &hub{run: r, name: name, more: make(chan struct{}, 1), cursors: map[int]uint64{}, listeners: map[string]*listener{}}
		r.hubs[name] = h
	}
	return h
}

func (r *run) allHubs() []*hub {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.hubs) == 0 {
		return nil
	}
	out := make([]*hub, 0, len(r.hubs))
	for _, h := range r.hubs {
		out = append(out, h)
	}
	return out
}

// hear makes the host give what is said in a hub to those of its agents that take part, from now on and after every restart.
func (o *order) hear(ctx context.Context, in args) error {
	if err := checkName(in.Hub); err != nil {
		return fmt.Errorf("%w: hub %q", wire.ErrBadRequest, in.Hub)
	}
	if !o.rt.spawn(func() {
		if err := o.rt.checkHub(ctx, o.runName, in.Hub); err != nil {
			o.finish(result{err: err}, false)
			return
		}
		o.run = o.rt.inRun(o.runName)
		o.hearHub(ctx, o.run.hub(in.Hub))
	}) {
		return wire.ErrStopped
	}
	return nil
}

// checkHub refuses a hub that never was: whoever asked for it would have the host wait for it for ever. One that was deleted
// is followed to its end.
func (rt *Runtime) checkHub(ctx context.Context, run, hub string) error {
	ctx, cancel := context.WithTimeout(ctx, hubAPITimeout)
	defer cancel()
	said, err := rt.logged(ctx, subjects.StreamHub, subjects.HubSaid(run, hub))
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", wire.ErrUnavailable, err)
	case len(said) == 0:
		return fmt.Errorf("%w: %q in run %q", wire.ErrNoHub, hub, run)
	}
	return nil
}

// hearHub has a hub followed, if it is not yet.
func (o *order) hearHub(ctx context.Context, h *hub) {
	h.mu.Lock()
	defer h.mu.Unlock()
	heard := func() { o.finish(o.rt.data(map[string]any{}), o.key.id != "") }
	switch {
	case h.ending > 0: // what was said before is on its way; then there is another hub of that name
		h.then = append(h.then, func() { o.hearHub(ctx, h) })
	case h.follows:
		o.run.journal.submit(nil, heard)
	default:
		h.follows = true
		o.run.journal.submit(&entry{kind: entryFollow, hub: h.name, upto: h.begin}, func() {
			h.resume(ctx)
			heard()
		})
	}
}

// joinLate notes that a new agent hears nothing that was said before it was made in the hubs where it takes part already. It
// goes into the log ahead of the agent.
func (a *actor) joinLate() {
	for _, h := range a.run.allHubs() {
		h.mu.Lock()
		if l := h.listeners[a.name]; l != nil {
			a.run.journal.submit(&entry{kind: entryHeard, hub: h.name, upto: l.upto, numbers: []int{a.number}}, func() {})
		}
		h.mu.Unlock()
	}
}

// resume begins to follow the hub.
func (h *hub) resume(ctx context.Context) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.follows {
		h.goOn = func() { h.give(ctx) }
		h.run.rt.spawn(func() { h.follow(ctx) })
	}
}

// logged goes on with what is said in the hubs of the run, after a record of it was appended.
func (r *run) logged() {
	for _, h := range r.allHubs() {
		h.mu.Lock()
		goOn := h.goOn
		h.mu.Unlock()
		if goOn != nil {
			goOn()
		}
	}
}

// take applies the next record of the hub's stream. It reports whether the hub goes on.
func (h *hub) take(seq uint64, kind string, sender subjects.Address, data []byte) (goesOn bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch kind {
	case subjects.SaidMessage, subjects.SaidAnnouncement:
		h.hold(seq, sender, data)
	case subjects.SaidJoined, subjects.SaidLeft:
		m, err := decodeMsg(data)
		var who struct{ Address subjects.Address }
		if err == nil {
			err = m.Content.Decode(&who)
		}
		if err != nil {
			h.run.rt.log.Error("record of a hub dropped", "run", h.run.name, "hub", h.name, "seq", seq, "error", err)
			return true
		}
		if host, name, ok := who.Address.Code(); ok && host == h.run.rt.cfg.Host {
			h.member(name, seq, kind == subjects.SaidJoined)
		}
	case subjects.SaidDeleted:
		for _, l := range h.listeners {
			l.leave(seq)
		}
		h.ending = seq
		return false
	}
	return true
}

// member notes that an agent joined or left. h.mu is held.
func (h *hub) member(name string, seq uint64, joined bool) {
	l := h.listeners[name]
	if !joined {
		if l != nil {
			l.leave(seq)
		}
		return
	}
	if l == nil {
		l = &listener{name: name, upto: seq}
		if a := h.run.agent(name); a != nil {
			l.upto = max(seq, h.cursors[a.number])
		}
		h.listeners[name] = l
	}
	if n := len(l.spans); n == 0 || l.spans[n-1].upto != math.MaxUint64 {
		l.spans = append(l.spans, span{seq, math.MaxUint64})
	}
}

// leave ends the listener's part.
func (l *listener) leave(seq uint64) {
	if n := len(l.spans); n > 0 && l.spans[n-1].upto == math.MaxUint64 {
		l.spans[n-1].upto = seq
	}
}

// hold keeps what was said for those who have not heard it. h.mu is held.
func (h *hub) hold(seq uint64, sender subjects.Address, data []byte) {
	wanted := false
	for _, l := range h.listeners {
		if wanted = l.upto < seq && l.hears(seq); wanted {
			break
		}
	}
	if !wanted {
		return
	}
	m, err := decodeMsg(data)
	if err != nil {
		h.run.rt.log.Error("message in a hub dropped", "run", h.run.name, "hub", h.name, "seq", seq, "error", err)
		return
	}
	// What goes into records is what the message reads as, so that equal messages are equal bytes.
	if data, err = msg.Msgpack.Encode(*m); err != nil {
		h.run.rt.log.Error("message in a hub dropped", "run", h.run.name, "hub", h.name, "seq", seq, "error", err)
		return
	}
	h.said = append(h.said, &utterance{seq, sender, piece{m, data}})
	h.bytes += len(data)
}

// full reports whether there is no room for more to be said.
func (h *hub) full() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.said) >= mostSaid || h.bytes >= mostSaidBytes
}

// after is the place in said of the first message after another. h.mu is held.
func (h *hub) after(seq uint64) int {
	return sort.Search(len(h.said), func(i int) bool { return h.said[i].seq > seq })
}
