package fleet

import (
	"context"
	"errors"
	"time"

	"github.com/myriad-sim/myriad/internal/modelserver"
)

// watch has the load of an endpoint read each second while it has work. f.mu is held.
func (f *Fleet) watch(e *endpoint, s *Spec, now time.Time) {
	if e.reading || e.loadless || s.Concurrency > 0 {
		return
	}
	e.reading = true
	f.at(now.Add(time.Second), func(time.Time) { f.look(e) })
}

func (f *Fleet) look(e *endpoint) {
	if e.flying == 0 || e.state != up {
		e.reading, e.limit.held = false, false
		return
	}
	f.reads = append(f.reads, e)
}

// readLoad reads it once.
func (f *Fleet) readLoad(ctx context.Context, e *endpoint) {
	limited, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	load, err := e.server.Load(limited)
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	switch {
	case errors.Is(err, modelserver.ErrNoMetrics):
		e.reading, e.loadless, e.limit.held = false, true, false
		return
	case err != nil:
		e.limit.held = false // calls will tell what is wrong
	default:
		e.limit.heed(now, load, e.flying)
	}
	f.at(now.Add(time.Second), func(time.Time) { f.look(e) })
	f.kick()
}

// heed follows what the server says about its work. Flying is how much of it is ours.
func (l *limiter) heed(now time.Time, load modelserver.Load, flying int) {
	l.held = load.Waiting > load.Running/4 || load.CacheUsage > fullCache
	factor := 1.0
	if load.Waiting > load.Running/4 {
		factor = waitFactor
	}
	if load.CacheUsage > fullCache {
		factor = fullFactor
	}
	switch {
	case factor < 1:
		l.slow = false
		if float64(flying) >= l.limit/2 { // else others are the reason, or it was lowered and calls are still there
			l.shrink(now, factor)
		}
	case load.Waiting == 0 && l.starved && !l.slow && l.latency <= l.patience/4:
		l.calm, l.last = 0, pace{} // the server says that there is room
		l.limit = min(l.limit*freeFactor, l.most)
	}
}
