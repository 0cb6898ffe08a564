package fleet

import (
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/myriad-sim/myriad/internal/modelserver"
)

// pause is how calls that failed together wait, longer each time.
type pause struct{ next *backoff.ExponentialBackOff }

// fork makes a pause that goes on from where this one is.
func (p pause) fork() pause {
	if p.next == nil {
		return p
	}
	own := *p.next
	return pause{&own}
}

func (p *pause) wait(cfg *Config) time.Duration {
	if p.next == nil {
		p.next = &backoff.ExponentialBackOff{
			InitialInterval: cfg.Backoff, RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: cfg.BackoffMax,
		}
		p.next.Reset()
	}
	return p.next.NextBackOff()
}

// step is how calls go on after an attempt that failed.
type step struct {
	counts   bool // it counts against the attempts of each call
	repeated bool // a server was asked, and is asked again
	now      bool // without waiting
	split    bool // a batch goes on as two
	alone    bool // or one by one
	hold     bool // they keep their places while they wait, or others would run into the same wall at once
}

// again lets calls be tried again, unless they have had their attempts and their time. f.mu is held.
func (f *Fleet) again(fl *flight, calls []call, err *modelserver.Error, s step, now time.Time) {
	p := pause{}
	delay := time.Duration(0)
	if !s.now {
		p = fl.pause.fork()
		delay = max(p.wait(&f.cfg), min(err.After, f.cfg.RetryAfterMax))
	}
	if s.repeated {
		calls = f.retry(calls, err, s.counts, delay, now)
		f.series(fl.to, fl.spec).retried(err.Kind, len(calls))
	}
	if len(calls) == 0 {
		return
	}
	packs := []*pack{{calls: calls, alone: s.alone, pause: p}}
	if s.split && !s.alone && len(calls) > 1 {
		half := len(calls) / 2
		packs = []*pack{{calls: calls[:half:half], pause: p}, {calls: calls[half:], pause: p.fork()}}
	}
	if s.now {
		f.requeue(packs, true)
		return
	}
	held := 0
	if s.hold {
		held = len(calls)
		fl.to.held += held
	}
	f.at(now.Add(delay), func(time.Time) {
		fl.to.held -= held
		f.requeue(packs, false)
	})
}

// retry counts one more attempt for each call, and returns those that may have it. The others end.
func (f *Fleet) retry(calls []call, err *modelserver.Error, counts bool, delay time.Duration, now time.Time) []call {
	out := make([]call, 0, len(calls))
	for _, c := range calls {
		if c.tries == nil {
			c.tries = &tries{since: now}
		}
		if counts {
			c.tries.counted++
		}
		if c.tries.counted >= f.cfg.MaxAttempts || now.Sub(c.tries.since)+delay > f.cfg.RetryFor {
			f.fatal(c, err.Text, false, now)
			continue
		}
		c.tries.all++
		if c.job.Retried != nil {
			c.job.Retried(1)
		}
		out = append(out, c)
	}
	return out
}

// requeue lets packs wait for their next attempt, without the calls that get none. f.mu is held.
func (f *Fleet) requeue(packs []*pack, first bool) {
	for _, p := range packs {
		keep := make([]call, 0, len(p.calls))
		for _, c := range p.calls {
			switch {
			case c.job.over != "": // the refusal is about it too
			case c.job.late:
				f.finish(c, Completion{Err: lateText})
			default:
				keep = append(keep, c)
			}
		}
		if p.calls = keep; len(keep) > 0 {
			keep[0].job.pool.queue.addPack(p, first)
		}
	}
}
