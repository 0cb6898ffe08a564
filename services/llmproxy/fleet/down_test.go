package fleet

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/modelserver"
)

// mortal is a server that can be taken away and brought back. Killing it breaks off what is in flight.
type mortal struct {
	scripted
	dead atomic.Bool
	kill atomic.Pointer[chan struct{}]
	took time.Duration
}

func newMortal(took time.Duration) *mortal {
	m := &mortal{took: took}
	m.revive()
	m.before = func(ctx context.Context, a asked) error {
		if m.dead.Load() {
			return oops(modelserver.Unreached, m.url+": connection refused")
		}
		select {
		case <-ctx.Done():
			return oops(modelserver.Lost, "time is up")
		case <-*m.kill.Load():
			return oops(modelserver.Lost, m.url+": connection reset")
		case <-time.After(m.took):
			return nil
		}
	}
	m.healthy = func() error {
		if m.dead.Load() {
			return oops(modelserver.Unreached, m.url+": connection refused")
		}
		return nil
	}
	return m
}

func (m *mortal) die() {
	m.dead.Store(true)
	close(*m.kill.Load())
}

func (m *mortal) revive() {
	kill := make(chan struct{})
	m.kill.Store(&kill)
	m.dead.Store(false)
}

// Calls in flight at an endpoint that is killed are repeated elsewhere and count one retry each; nothing else counts.
func TestCallsOfADeadEndpointGoElsewhere(t *testing.T) {
	for _, batches := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			a, b := newMortal(time.Second), newMortal(time.Second)
			if !batches {
				for _, m := range []*mortal{a, b} {
					alive := m.before
					m.before = func(ctx context.Context, q asked) error {
						if q.batch && !m.dead.Load() {
							return oops(modelserver.Lacking, "")
						}
						return alive(ctx, q)
					}
				}
			}
			s := play(t, config(), &a.scripted, &b.scripted)
			defer s.Stop()
			texts := numbered("q", 1500)
			r := s.ask(s.spec(), texts)
			time.Sleep(3300 * time.Millisecond) //nolint:forbidigo // of synctest's time
			flying, _, _, _ := a.seen()
			require.Positive(t, flying)
			a.die()
			time.Sleep(10 * time.Second) //nolint:forbidigo // of synctest's time
			a.revive()
			more := s.ask(s.spec(), numbered("more", 3000))
			r.wait()
			require.Equal(t, replies(texts), r.texts())
			repeated := r.count(func(c Completion) bool { return c.Retries == 1 })
			require.Equal(t, flying, repeated)
			require.Equal(t, flying, r.retried)
			require.Equal(t, repeated, 1500-r.count(func(c Completion) bool { return c.Retries == 0 }))
			more.wait()
			require.Equal(t, 3000, more.count(func(c Completion) bool { return c.Retries == 0 && c.Err == "" }))
			late := 0
			for _, q := range a.requests() {
				if strings.HasPrefix(q.texts[0], "more") {
					late++
				}
			}
			require.Positive(t, late, "it is used again")
			require.Zero(t, s.heard.count("down"), "the other was there all the time")
		})
	}
}

// While no endpoint of a model can be reached, its calls wait for as long as that lasts, its runs are told, and all goes
// on by itself.
func TestCallsWaitForServersThatAreDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newMortal(time.Second), newMortal(time.Second)
		a.dead.Store(true)
		b.dead.Store(true)
		s := play(t, config(), &a.scripted, &b.scripted)
		defer s.Stop()
		one := s.ask(s.spec(), numbered("q", 100), run("one"))
		two := s.ask(s.spec(), numbered("q", 100), run("two"))
		time.Sleep(1900 * time.Millisecond) //nolint:forbidigo // of synctest's time
		require.Zero(t, s.heard.count(""), "a moment is not worth a word")
		time.Sleep(200 * time.Millisecond) //nolint:forbidigo // of synctest's time
		require.Equal(t, 1, s.heard.count("down one player: http://s0: connection refused; http://s1: connection refused"))
		require.Equal(t, 1, s.heard.count("down two"))
		time.Sleep(time.Hour) //nolint:forbidigo // of synctest's time
		require.InDelta(t, 1800, s.heard.count("down one"), 3, "repeated every two seconds")
		_, _, _, probes := a.seen()
		require.Equal(t, 5*time.Second, probes[len(probes)-1].Sub(probes[len(probes)-2]))
		require.Less(t, len(a.requests())+len(b.requests()), 5, "calls do not knock at a door that is shut")
		b.revive()
		one.wait()
		two.wait()
		require.Equal(t, 100, one.count(func(c Completion) bool { return c.Err == "" && c.Retries == 0 }), "nothing was sent, so nothing is repeated")
		require.Equal(t, 1, s.heard.count("up one player"))
		require.Equal(t, 1, s.heard.count("up two player"))
		told := s.heard.count("down")
		time.Sleep(time.Minute) //nolint:forbidigo // of synctest's time
		require.Equal(t, told, s.heard.count("down"))
		require.Zero(t, s.book.total().Retries+s.book.total().Unreported)
	})
}

// The first test comes soon, later ones less often; one that is back begins with one call, and finds out anew whether it
// takes batches.
func TestAnEndpointComesBackSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newMortal(time.Second)
		alive := a.before
		var other atomic.Bool
		a.before = func(ctx context.Context, q asked) error {
			if q.batch && other.Load() { // it came back as another
				return oops(modelserver.Lacking, "")
			}
			return alive(ctx, q)
		}
		s := play(t, config(), &a.scripted)
		defer s.Stop()
		s.ask(s.spec(), numbered("q", 500)).wait()
		a.dead.Store(true)
		r := s.ask(s.spec(), numbered("q", 200))
		time.Sleep(time.Minute) //nolint:forbidigo // of synctest's time
		var gaps []time.Duration
		_, _, _, probes := a.seen()
		for i := range probes[1:] {
			gaps = append(gaps, probes[i+1].Sub(probes[i]))
		}
		require.Equal(t, []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 5 * time.Second}, gaps[:5])
		from := len(a.requests())
		other.Store(true)
		a.revive()
		r.wait()
		at := map[time.Duration]int{}
		got := a.requests()[from:]
		for _, q := range got {
			at[q.at.Sub(got[0].at).Truncate(time.Second)]++
		}
		require.Equal(t, 1, at[0])
		require.Equal(t, 2, at[time.Second])
		require.Equal(t, 4, at[2*time.Second])
		require.LessOrEqual(t, at[3*time.Second], 9)
		require.Zero(t, r.retried)
	})
}

// Failures in a row take an endpoint out; when it says that it is well and the next call fails, it stays out, and calls
// that only tested it have not used up their attempts.
func TestAnEndpointThatFailsIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var well atomic.Bool
		srv := &scripted{before: func(context.Context, asked) error {
			if well.Load() {
				return nil
			}
			return oops(modelserver.Failing, "s0: HTTP 500: broken")
		}}
		cfg := config()
		cfg.MaxAttempts = 3
		s := play(t, cfg, srv)
		defer s.Stop()
		spec := s.spec()
		spec.Concurrency = 2
		r := s.ask(spec, numbered("q", 20))
		time.Sleep(5 * time.Minute) //nolint:forbidigo // of synctest's time
		require.Less(t, len(srv.requests()), 5+5*60/5+5, "one test every five seconds")
		require.InDelta(t, 150, s.heard.count("down r1 player: s0: HTTP 500: broken"), 8, "also while its health says otherwise")
		require.LessOrEqual(t, s.heard.count("up"), 1)
		well.Store(true)
		r.wait()
		require.GreaterOrEqual(t, r.count(func(c Completion) bool { return c.Err == "" }), 17)
	})
}

func TestAttemptsThatReachAServerAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &scripted{before: func(_ context.Context, a asked) error {
			switch a.texts[0] {
			case "q0":
				return oops(modelserver.Failing, "this breaks me")
			case "q1":
				return oops(modelserver.Overloaded, "always full")
			case "q2":
				return oops(modelserver.Forbidden, "no such model")
			}
			return nil
		}}
		cfg := config()
		cfg.BreakerFailures, cfg.MaxAttempts = 1000, 4
		s := play(t, cfg, srv)
		defer s.Stop()
		spec := s.spec()
		spec.Concurrency = 1
		r := s.ask(spec, numbered("q", 4)).wait()
		require.Contains(t, r.done[0].Err, "given up after 4 attempts")
		require.Contains(t, r.done[0].Err, "this breaks me")
		require.Contains(t, r.done[1].Err, "always full")
		require.Equal(t, "no such model", r.done[2].Err)
		require.Equal(t, []int{3, 3, 0, 0}, []int{r.done[0].Retries, r.done[1].Retries, r.done[2].Retries, r.done[3].Retries})
		require.Equal(t, "re: q3", r.done[3].Text)

		cfg.MaxAttempts, cfg.RetryFor = 1000, 20*time.Second
		again := play(t, cfg, srv)
		defer again.Stop()
		began := time.Now()
		r = again.ask(spec, numbered("q", 1)).wait()
		require.Contains(t, r.done[0].Err, "given up")
		require.LessOrEqual(t, time.Since(began), 20*time.Second)
	})
}

func TestAServerThatAsksForAPauseGetsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		srv := &scripted{before: func(context.Context, asked) error {
			if n.Add(1) == 1 {
				return &modelserver.Error{Kind: modelserver.Overloaded, After: time.Hour}
			}
			return nil
		}}
		cfg := config()
		s := play(t, cfg, srv)
		defer s.Stop()
		began := time.Now()
		s.ask(s.spec(), numbered("q", 1))
		synctest.Wait()
		s.ask(s.spec(), numbered("q", 1)).wait()
		require.Equal(t, cfg.RetryAfterMax, time.Since(began), "as long as is allowed, all of its calls")
	})
}

func TestStopEndsAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newMortal(time.Hour)
		s := play(t, config(), &a.scripted)
		r := s.ask(s.spec(), numbered("q", 100), budget(1<<40))
		synctest.Wait()
		now, _, _, _ := a.seen()
		require.Positive(t, now)
		began := time.Now()
		s.Stop()
		require.Zero(t, time.Since(began))
		now, _, _, _ = a.seen()
		require.Zero(t, now)
		require.Equal(t, 100, r.left)
		require.Empty(t, r.refused)
		_, ok := s.try(s.spec(), numbered("q", 1))
		require.False(t, ok)
		require.Positive(t, s.book.total().Unreported, "what was sent may be billed")
	})
}
