package fleet

import (
	"strings"
	"time"
)

// ail notes a failure. After a few in a row, or one when the endpoint had just come back, it counts as down. f.mu is held.
func (f *Fleet) ail(e *endpoint, test bool, why string, now time.Time) {
	e.why = why
	if e.fails++; e.fails >= f.cfg.BreakerFailures || test && e.state == trial {
		f.fall(e, why, now)
	}
}

// fall takes an endpoint out of use until it says that it is back. f.mu is held.
func (f *Fleet) fall(e *endpoint, why string, now time.Time) {
	e.why = why
	switch e.state {
	case down:
		return
	case up:
		e.delay = min(firstProbe, f.cfg.BreakerWait)
		f.log.Warn("model server is down; its calls wait or go elsewhere", "endpoint", e.host, "error", why)
		f.metrics.up.WithLabelValues(e.host).Set(0)
	case trial:
		e.relapsed = true
	}
	e.state = down
	for _, p := range e.pools {
		f.darken(p, now)
	}
	f.expectBack(e, now)
}

// rise notes that an endpoint answers, whatever it says. f.mu is held.
func (f *Fleet) rise(e *endpoint) {
	if e.state != trial {
		return
	}
	e.state, e.relapsed = up, false
	f.log.Info("model server is back", "endpoint", e.host)
	f.metrics.up.WithLabelValues(e.host).Set(1)
	for _, p := range e.pools {
		f.lighten(p)
	}
}

// tiding is something to tell the reporter.
type tiding struct {
	name lineName
	why  string
	up   bool
}

func (t tiding) tell(to Reporter) {
	if t.up {
		to.Up(t.name.run, t.name.model)
	} else {
		to.Down(t.name.run, t.name.model, t.why)
	}
}

// hopeless reports a pool none of whose endpoints can be asked. One that says it is back is believed once.
func (p *pool) hopeless() bool {
	for _, e := range p.endpoints {
		if e.state == up || e.state == trial && !e.relapsed {
			return false
		}
	}
	return true
}

// darken begins to tell the runs of a pool that they wait, if all its endpoints are down, and sees that those are tested.
// f.mu is held.
func (f *Fleet) darken(p *pool, now time.Time) {
	if p.busy == 0 {
		return
	}
	for _, e := range p.endpoints {
		if e.state == down {
			f.expectBack(e, now)
		}
	}
	if p.dark.IsZero() && p.hopeless() {
		p.dark = now
		f.at(now.Add(f.cfg.DownAfter), func(at time.Time) { f.mourn(p, now, at) })
	}
}

// mourn tells the runs of a pool that has been dark since a time, and goes on until it is not.
func (f *Fleet) mourn(p *pool, since, now time.Time) {
	if !p.dark.Equal(since) {
		return
	}
	var whys []string
	for _, e := range p.endpoints {
		whys = append(whys, e.why)
	}
	for _, l := range p.queue.lines {
		l.told = true
		f.tidings = append(f.tidings, tiding{name: l.name, why: strings.Join(whys, "; ")})
	}
	f.at(now.Add(RepeatDown), func(at time.Time) { f.mourn(p, since, at) })
}

// lighten ends the dark of a pool that has an endpoint again.
func (f *Fleet) lighten(p *pool) {
	if p.dark.IsZero() || p.hopeless() {
		return
	}
	p.dark = time.Time{}
	for _, l := range p.queue.lines {
		if l.told {
			l.told = false
			f.tidings = append(f.tidings, tiding{name: l.name, up: true})
		}
	}
}
