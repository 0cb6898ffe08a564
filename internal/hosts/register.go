package hosts

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// life is one incarnation of a host.
type life struct {
	beat  Beat
	since time.Time // it has been heard since then without having been dead
	heard time.Time // its last sign of life, or a later gap in the listening
	drain time.Time // it drains since then, if it does
	dead  bool      // it fell silent; a beat brings it back
	left  bool      // it said goodbye, which is final: incarnations are not used twice
}

// register decides who lives. Its times are of one monotonic clock. It is not safe for concurrent use.
type register struct {
	ttl     time.Duration
	since   time.Time        // nothing was missed since then
	settled bool             // since is so long ago that whoever lives was heard
	lives   map[string]*life // by incarnation

	expected map[string]string // ids by incarnation: hosts that should be heard soon, if they live
}

// forget is how many times the TTL a life is kept that is over.
const forget = 100

func newRegister(ttl time.Duration, now time.Time) *register {
	return &register{ttl: ttl, since: now, lives: map[string]*life{}}
}

// gather is the part of the TTL in which hosts that are expected have to be heard: they were asked for a beat.
const gather = 6

// hear takes in a beat, and reports whether it tells more than the load of the host.
func (r *register) hear(b Beat, now time.Time) (changed bool) {
	l := r.lives[b.Incarnation]
	switch {
	case l == nil:
		r.lives[b.Incarnation] = &life{beat: b, since: now, heard: now, drain: now}
		return true
	case l.left:
		return false // it was on its way when the host left
	}
	changed = l.dead || l.beat.Draining != b.Draining || l.beat.Quiet != b.Quiet || l.beat.Shards != b.Shards && b.Draining
	if l.dead {
		l.since = now
	}
	if !l.beat.Draining {
		l.drain = now
	}
	l.beat, l.heard, l.dead = b, now, false
	return changed
}

// leave takes in a goodbye.
func (r *register) leave(incarnation string, now time.Time) (changed bool) {
	l := r.lives[incarnation]
	if l == nil {
		l = &life{since: now, heard: now}
		r.lives[incarnation] = l
	}
	changed = !l.left
	l.left = true
	return changed
}

// deaf says that beats may have been missed up to now: silence counts from here on. Who was dead before stays so.
func (r *register) deaf(now time.Time) {
	r.since, r.settled = now, false
	for _, l := range r.lives {
		l.heard = now
	}
}

// judge declares those dead that have been silent for too long, and reports whether anything is different now.
func (r *register) judge(now time.Time) (changed bool) {
	if !r.settled && now.Sub(r.since) >= r.ttl {
		r.settled, changed = true, true
	}
	if r.expected != nil && now.Sub(r.since) >= r.ttl/gather {
		r.expected, changed = nil, true
	}
	for incarnation, l := range r.lives {
		silent := now.Sub(l.heard)
		if !l.dead && !l.left && silent >= r.ttl {
			l.dead, changed = true, true
		}
		if (l.dead || l.left) && silent >= forget*r.ttl {
			delete(r.lives, incarnation)
		}
	}
	return changed
}

// view is who lives now.
func (r *register) view() *View {
	v := &View{Settled: r.settled, Over: map[string]bool{}}
	newest := map[string]*life{}
	for incarnation, l := range r.lives {
		if l.dead || l.left {
			v.Over[incarnation] = true
			continue
		}
		if other := newest[l.beat.ID]; other == nil || younger(l.beat, other.beat) {
			newest[l.beat.ID] = l
		}
	}
	for _, id := range slices.Sorted(maps.Keys(newest)) {
		l := newest[id]
		v.Hosts = append(v.Hosts, Living{Beat: l.beat, Since: l.since, DrainsSince: l.drain})
	}
	v.Gathered = true
	for incarnation, id := range r.expected {
		v.Gathered = v.Gathered && (newest[id] != nil || v.Over[incarnation])
	}
	return v
}

// younger reports whether a is a later life of a host than b.
func younger(a, b Beat) bool {
	return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.Incarnation, b.Incarnation)) > 0
}

// Living is a host that lives.
type Living struct {
	Beat
	// Of the observer's monotonic clock: when it was first heard here, or came back from the dead, and since when it drains, if
	// it does.
	Since, DrainsSince time.Time
}

// View is who lives at a moment. One that an Observer gave is not to be changed.
type View struct {
	Hosts   []Living        // by id, the newest life of each
	Over    map[string]bool // incarnations that are known to be dead
	Settled bool            // whoever lives was heard
	// Those were heard who were on the register when the observer began, or they do not answer. Before that it is too early to
	// share out work: the first to answer would get all of it.
	Gathered bool
}

// Lives reports whether a life of a host goes on. One that was never heard counts as living until the view is settled, unless
// another life of the same id is heard.
func (v *View) Lives(id, incarnation string) bool {
	if h, found := v.Find(id); found {
		return h.Incarnation == incarnation
	}
	return !v.Settled && !v.Over[incarnation]
}

// Find returns the living host of an id.
func (v *View) Find(id string) (Living, bool) {
	i, found := slices.BinarySearchFunc(v.Hosts, id, func(h Living, id string) int { return cmp.Compare(h.ID, id) })
	if !found {
		return Living{}, false
	}
	return v.Hosts[i], true
}
