package fleet

import (
	"context"
	"time"

	"github.com/myriad-sim/myriad/internal/modelserver"
	"github.com/myriad-sim/myriad/internal/usage"
)

// flight is one attempt: calls that share a request to a server.
type flight struct {
	calls  []call // one, or a batch
	batch  bool
	spec   *Spec
	pool   *pool
	to     *endpoint
	trying bool // it finds out whether the server takes batches
	test   bool // it finds out whether the server is back
	pause  pause
	began  time.Time
	hold   Hold         // nil: what it costs is counted only
	upper  usage.Amount // what it can cost at most
	level  int          // conversations in flight with it at its start
	race   *race        // of a call that is asked twice
	landed bool
	cancel context.CancelFunc
}

// launch starts one attempt; false if no call of the pool can take off now. f.mu is held.
func (f *Fleet) launch(ctx context.Context, p *pool, now time.Time) bool {
	if p.queue.waiting == 0 {
		return false
	}
	return p.queue.serve(func(l *line) bool { return f.board(ctx, p, l, now) })
}

// board starts an attempt with calls of a line. f.mu is held.
func (f *Fleet) board(ctx context.Context, p *pool, l *line, now time.Time) bool {
	src, e, n := f.pick(p, l, now)
	if e == nil {
		return false
	}
	fl := &flight{spec: src.spec(), pool: p, to: e}
	if src.pack != nil {
		fl.pause = src.pack.pause
		fl.calls = l.take(src.pack, n)
	} else {
		fl.calls = src.tier.take(p, src.group, e, n)
	}
	l.waiting -= len(fl.calls)
	p.queue.waiting -= len(fl.calls)
	if !f.reserve(l, fl) {
		return !l.parked // refused: the turn goes on with the lines there are now
	}
	f.takeOff(ctx, fl, now)
	return true
}

// takeOff starts an attempt. f.mu is held.
func (f *Fleet) takeOff(ctx context.Context, fl *flight, now time.Time) {
	e, n := fl.to, len(fl.calls)
	fl.batch = n > 1
	fl.trying = fl.batch && e.kind == unknown
	fl.test = e.state == trial
	fl.began = now
	if fl.trying && e.trying.IsZero() {
		e.trying = now
		f.at(now.Add(grace), func(time.Time) {}) // the pump looks again
	}
	e.flying += n
	fl.level = e.flying
	e.limit.patience = fl.spec.Timeout
	if fl.race == nil { // else the first attempt counts
		for _, c := range fl.calls {
			c.job.flying++
		}
	}
	s := f.series(e, fl.spec)
	s.inFlight.Add(float64(n))
	if fl.batch {
		s.batches.Observe(float64(n))
	}
	f.metrics.limit.WithLabelValues(e.host).Set(float64(e.places(fl.spec)))
	f.watch(e, fl.spec, now)
	f.suspect(fl, now)
	limited, cancel := context.WithTimeout(ctx, fl.spec.Timeout)
	fl.cancel = cancel
	f.crew.do(func() {
		defer cancel()
		got, err := fl.ask(limited, f.cfg.BatchMaxTokens)
		f.land(ctx, fl, got, f.told(limited, fl, err))
	})
}

// ask makes the attempt.
func (fl *flight) ask(ctx context.Context, most int) (modelserver.Batch, error) {
	params := &fl.spec.Params
	if params.MaxTokens == 0 && (fl.batch || fl.hold != nil) {
		bounded := *params
		bounded.MaxTokens = most
		params = &bounded
	}
	if !fl.batch {
		c, err := fl.to.server.Chat(ctx, params, fl.calls[0].conversation())
		return modelserver.Batch{Completions: []modelserver.Completion{c}, TokensIn: uint64(c.TokensIn), TokensOut: uint64(c.TokensOut)}, err
	}
	list := make([]modelserver.Conversation, len(fl.calls))
	for i, c := range fl.calls {
		list[i] = c.conversation()
	}
	return fl.to.server.Batch(ctx, params, list)
}

func (c call) conversation() modelserver.Conversation {
	return modelserver.Conversation{System: c.job.System, Messages: c.job.Messages(c.index)}
}
