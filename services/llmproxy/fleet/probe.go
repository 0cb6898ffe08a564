package fleet

import (
	"context"
	"errors"
	"time"

	"github.com/myriad-sim/myriad/internal/modelserver"
)

// expectBack tests an endpoint that is down after a pause, and again after longer ones, while calls may want it.
// f.mu is held.
func (f *Fleet) expectBack(e *endpoint, now time.Time) {
	if e.probing {
		return
	}
	e.probing = true
	f.at(now.Add(e.delay), func(time.Time) {
		for _, p := range e.pools {
			if p.busy > 0 {
				f.probes = append(f.probes, e)
				return
			}
		}
		e.probing, e.delay = false, 0 // Submit asks for it again, and then it is urgent
	})
	e.delay = min(max(2*e.delay, firstProbe), f.cfg.BreakerWait)
}

// probe tests whether an endpoint is back. Servers that know no such question answer it with a refusal, which is a sign of
// life too: the next call will tell.
func (f *Fleet) probe(ctx context.Context, e *endpoint) {
	limited, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	err := e.server.Healthy(limited)
	f.mu.Lock()
	defer f.mu.Unlock()
	e.probing = false
	if ctx.Err() != nil || e.state != down {
		return
	}
	now := time.Now()
	if err != nil && !alive(err) {
		f.expectBack(e, now)
		f.kick()
		return
	}
	e.state, e.kind, e.bad, e.fails, e.loadless = trial, unknown, 0, 0, false
	e.limit.restart()
	e.size.reset()
	e.singles = latencies{}
	for _, p := range e.pools {
		f.lighten(p)
	}
	f.kick()
}

func alive(err error) bool {
	e, ok := errors.AsType[*modelserver.Error](err)
	return ok && (e.Kind == modelserver.Lacking || e.Kind == modelserver.Forbidden || e.Kind == modelserver.Rejected || e.Kind == modelserver.Overloaded)
}
