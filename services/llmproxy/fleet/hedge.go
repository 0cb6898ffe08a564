package fleet

import (
	"context"
	"slices"
	"time"
)

const (
	// hedgeAfter is how many latencies must be known before it can be said which calls are slow.
	hedgeAfter = 200
	// hedgeOne in so many calls is asked twice at most.
	hedgeOne = 100
)

// latencies are those of the last calls of an endpoint that went alone.
type latencies struct {
	last  [256]time.Duration
	n     int // ever
	limit time.Duration
	asof  int
}

func (l *latencies) add(d time.Duration) {
	l.last[l.n%len(l.last)] = d
	l.n++
}

// slow is the time that one call in a hundred takes longer than; 0: not known yet.
func (l *latencies) slow() time.Duration {
	if l.n < hedgeAfter {
		return 0
	}
	if l.limit == 0 || l.n-l.asof >= 32 {
		known := slices.Clone(l.last[:min(l.n, len(l.last))])
		slices.Sort(known)
		l.limit, l.asof = known[len(known)*99/100], l.n
	}
	return l.limit
}

// race is two attempts of one call.
type race struct {
	flights [2]*flight
	over    bool
	live    int
}

// decide takes the end of an attempt, and reports whether it is the end of the call: the first that goes well, or the last
// that does not. The other is cancelled.
func (r *race) decide(fl *flight, good bool) bool {
	r.live--
	if r.over || !good && r.live > 0 {
		return false
	}
	r.over = true
	for _, other := range r.flights {
		if other != fl && !other.landed {
			other.cancel()
		}
	}
	return true
}

// suspect has a call looked at again once it takes longer than most. f.mu is held.
func (f *Fleet) suspect(fl *flight, now time.Time) {
	if !fl.spec.Hedge || fl.batch || fl.race != nil || fl.test {
		return
	}
	fl.pool.singles++
	slow := fl.to.singles.slow()
	if slow == 0 {
		return
	}
	f.at(now.Add(slow+slow/20), func(time.Time) {
		if !fl.landed {
			f.hedges = append(f.hedges, fl)
		}
	})
}

// hedge asks a slow call once more, elsewhere if there is somewhere else. It reports whether that is settled, one way or
// the other; else it must wait for a place, or for its share. f.mu is held.
func (f *Fleet) hedge(ctx context.Context, fl *flight, now time.Time) bool {
	p := fl.pool
	if fl.landed || fl.calls[0].job.over != "" {
		return true
	}
	if (p.hedged+1)*hedgeOne > p.singles {
		return false // it may be the slowest of the next hundred
	}
	var to *endpoint
	for _, e := range p.endpoints {
		if (e != fl.to || len(p.endpoints) == 1) && e.state == up && !now.Before(e.pause) && e.places(fl.spec) > e.flying+e.held &&
			(to == nil || e.flying < to.flying) {
			to = e
		}
	}
	if to == nil {
		return false
	}
	second := &flight{calls: fl.calls, spec: fl.spec, pool: p, to: to, pause: fl.pause}
	if !f.reserveHedge(second) {
		return true
	}
	p.hedged++
	r := &race{flights: [2]*flight{fl, second}, live: 2}
	fl.race, second.race = r, r
	f.series(to, fl.spec).hedges.Inc()
	f.takeOff(ctx, second, now)
	return true
}
