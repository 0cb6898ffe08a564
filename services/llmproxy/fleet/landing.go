package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/myriad-sim/myriad/internal/modelserver"
)

// told makes sure that an error says what it means: a server that is none of modelserver's may return any.
func (f *Fleet) told(limited context.Context, fl *flight, err error) *modelserver.Error {
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*modelserver.Error](err)
	if !ok {
		e = &modelserver.Error{Kind: modelserver.Lost, Text: fmt.Sprintf("%s: %v", fl.to.host, err)}
	}
	if errors.Is(limited.Err(), context.DeadlineExceeded) && e.Kind == modelserver.Lost {
		return &modelserver.Error{Kind: modelserver.Lost, Text: fmt.Sprintf("%s: no answer within %v", fl.to.host, fl.spec.Timeout)}
	}
	return e
}

// land takes the end of an attempt: each of its calls ends, or waits again.
func (f *Fleet) land(ctx context.Context, fl *flight, got modelserver.Batch, err *modelserver.Error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	e, n := fl.to, len(fl.calls)
	if err == nil && len(got.Completions) != n {
		err = &modelserver.Error{Kind: modelserver.Malformed, Text: fmt.Sprintf("%s: %d completions for %d conversations", e.host, len(got.Completions), n)}
	}
	fl.landed = true
	e.flying -= n
	if fl.trying {
		e.trying = time.Time{}
	}
	f.series(e, fl.spec).inFlight.Sub(float64(n))
	f.settle(fl, got, err)
	if ctx.Err() != nil {
		return // stopping: who asked is told that the calls have no answer
	}
	f.kick()
	if fl.race != nil && !fl.race.decide(fl, err == nil) {
		return // the other attempt ended the call, or may yet
	}
	for _, c := range fl.calls {
		c.job.flying--
	}
	if err == nil {
		f.good(fl, now)
		f.complete(fl, got, now)
	} else {
		f.bad(fl, err, now)
	}
	for _, c := range fl.calls {
		f.bury(c.job)
	}
}

// good notes what a response says about the endpoint.
func (f *Fleet) good(fl *flight, now time.Time) {
	e, took := fl.to, now.Sub(fl.began)
	e.fails = 0
	if fl.batch {
		e.kind, e.bad = batching, 0
	} else {
		e.singles.add(took)
	}
	if rate := e.limit.ended(now, len(fl.calls), fl.level, took); rate > 0 && e.kind == batching {
		e.size.observe(rate)
	}
	f.rise(e)
}

// complete ends the calls of an attempt that went well. A conversation of a batch may have gone wrong by itself.
func (f *Fleet) complete(fl *flight, got modelserver.Batch, now time.Time) {
	for i, c := range fl.calls {
		done := &got.Completions[i]
		if done.Err == nil {
			f.finish(c, Completion{
				Text: done.Text, Cut: done.Cut, Apportioned: fl.batch, TokensIn: done.TokensIn, TokensOut: done.TokensOut, Served: done.Served,
			})
			continue
		}
		why := f.told(context.Background(), fl, done.Err)
		if why.Kind == modelserver.Rejected {
			f.finish(c, Completion{Err: why.Text, Rejected: true, Served: done.Served, TokensIn: done.TokensIn, TokensOut: done.TokensOut, Apportioned: fl.batch})
			continue
		}
		f.again(fl, []call{c}, why, step{counts: true, alone: true, repeated: true}, now)
	}
}

// bad decides what an error means for the endpoint, and for the calls.
func (f *Fleet) bad(fl *flight, err *modelserver.Error, now time.Time) {
	e := fl.to
	next := step{counts: !fl.batch && !fl.test, repeated: true}
	switch err.Kind {
	case modelserver.Unreached:
		// Nothing was sent: it was no attempt, and the calls go elsewhere at once.
		f.fall(e, err.Text, now)
		f.again(fl, fl.calls, err, step{now: true}, now)
		return
	case modelserver.Lacking:
		if fl.batch {
			e.kind, e.fails = single, 0
			f.rise(e)
			f.again(fl, fl.calls, err, step{now: true}, now)
			return
		}
		f.fail(fl, err, false, now)
		return
	case modelserver.Forbidden:
		f.fail(fl, err, false, now)
		return
	case modelserver.Rejected:
		if !fl.batch {
			f.fail(fl, err, true, now)
			return
		}
		f.unfit(e, fl, err)
		next.split, next.now = true, true
	case modelserver.Malformed:
		next.counts = !fl.batch
		next.split = true
		f.unfit(e, fl, err)
	case modelserver.Overloaded:
		next.counts, next.hold = !fl.test, true
		e.fails = 0
		e.limit.lower(now, lossFactor)
		f.leaveAlone(e, min(err.After, f.cfg.RetryAfterMax), now)
		f.rise(e)
	default: // Lost, Failing
		next.split = true
		next.alone = fl.batch && now.Sub(fl.began) >= fl.spec.Timeout // one of them is slow; the others need not wait for it again
		if err.Kind == modelserver.Lost {
			e.limit.lower(now, lossFactor)
		}
		f.ail(e, fl.test, err.Text, now)
	}
	f.again(fl, fl.calls, err, next, now)
}

// unfit notes a batch that the server could not handle. If that happens to batches alone and time after time, it is better
// off without them.
func (f *Fleet) unfit(e *endpoint, fl *flight, err *modelserver.Error) {
	const most = 12 // more than halvings of a batch with one bad conversation in it
	f.rise(e)
	e.fails = 0
	if !fl.batch {
		return
	}
	if e.bad++; e.bad >= most && e.kind != single {
		e.kind = single
		f.log.Warn("model server refuses batches; its calls go one by one", "endpoint", e.host, "error", err.Text)
	}
}

// leaveAlone keeps calls from an endpoint for a time that it asked for.
func (f *Fleet) leaveAlone(e *endpoint, d time.Duration, now time.Time) {
	if d <= 0 || e.pause.After(now.Add(d)) {
		return
	}
	e.pause = now.Add(d)
	f.at(e.pause, func(time.Time) {}) // the pump looks again
}

// fail ends the calls of an attempt for good.
func (f *Fleet) fail(fl *flight, err *modelserver.Error, rejected bool, now time.Time) {
	fl.to.fails = 0
	f.rise(fl.to)
	for _, c := range fl.calls {
		f.fatal(c, err.Text, rejected, now)
	}
}

// fatal ends a call for good. The first of a kind is logged, not a million of them.
func (f *Fleet) fatal(c call, why string, rejected bool, now time.Time) {
	if p := c.job.pool; p.warned != why {
		p.warned = why
		what := "model calls fail"
		if rejected {
			what = "a model server refuses calls for their content; their answers will be missing"
		}
		f.log.Warn(what, "run", c.job.Run, "round", c.job.Round, "model", c.job.spec.Params.Model, "error", c.history(why, now))
	}
	f.finish(c, Completion{Err: c.history(why, now), Rejected: rejected})
}

// history is an error with the attempts before it.
func (c call) history(why string, now time.Time) string {
	if c.tries == nil {
		return why
	}
	return fmt.Sprintf("given up after %d attempts in %v: %s", c.tries.all+1, now.Sub(c.tries.since).Round(time.Millisecond), why)
}
