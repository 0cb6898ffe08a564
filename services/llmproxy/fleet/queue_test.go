package fleet

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/modelserver"
)

// order is the texts in the order in which the server got them.
func (s *scripted) order() []string {
	var out []string
	for _, q := range s.requests() {
		out = append(out, q.texts...)
	}
	return out
}

func place(order []string, text string) int {
	for i, o := range order {
		if o == text {
			return i
		}
	}
	return -1
}

// slow is a server without batches that takes a second for a call.
func slow() *scripted {
	return &scripted{before: func(ctx context.Context, a asked) error {
		if a.batch {
			return oops(modelserver.Lacking, "")
		}
		return pass(ctx, time.Second)
	}}
}

func TestRunsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := slow()
		s := play(t, config(), srv)
		defer s.Stop()
		spec := s.spec()
		spec.Concurrency = 1
		a := s.ask(spec, numbered("big", 300), run("big"))
		b := s.ask(spec, numbered("more", 300), run("big"))
		c := s.ask(spec, numbered("other", 200), run("other"))
		synctest.Wait()
		small := s.ask(spec, numbered("small", 1), run("small"))
		a.wait()
		b.wait()
		c.wait()
		small.wait()
		order := srv.order()
		require.LessOrEqual(t, place(order, "small0"), 3)
		for i := range 100 { // all runs get as much as each other, and so do the requests of a run
			require.InDelta(t, place(order, fmt.Sprint("other", i)), place(order, fmt.Sprint("big", i/2)), 40)
			require.InDelta(t, place(order, fmt.Sprint("more", i)), place(order, fmt.Sprint("big", i)), 8)
		}
	})
}

// A run of which only a few calls of a large round are left goes first in every second turn, and no more than that.
func TestAClosingRoundGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := slow()
		s := play(t, config(), srv)
		defer s.Stop()
		spec := s.spec()
		spec.Concurrency = 1
		var all []*result
		for i := range 8 {
			all = append(all, s.ask(spec, numbered(fmt.Sprint("crowd", i, "-"), 400), run(fmt.Sprint("crowd", i))))
		}
		synctest.Wait()
		last := s.ask(spec, numbered("last", 30), run("closing"))
		synctest.Wait()
		from := len(srv.order())
		last.wait()
		turns := len(srv.order()) - from
		require.LessOrEqual(t, turns, 2*30+2, "without it, it would be 270")
		require.GreaterOrEqual(t, turns, 2*30-2, "the others get every second turn")
		s.Stop()
		_ = all
	})
}

// Follow-ups and interviews go before first asks of their run.
func TestFollowUpsGoFirst(t *testing.T) {
	for _, p := range []uint8{llm.PurposeExtract, llm.PurposeReask, llm.PurposeInterview} {
		synctest.Test(t, func(t *testing.T) {
			srv := slow()
			s := play(t, config(), srv)
			defer s.Stop()
			spec := s.spec()
			spec.Concurrency = 2
			s.ask(spec, numbered("first", 100))
			synctest.Wait()
			other := s.spec() // extraction has other parameters
			other.Concurrency = 2
			other.Params.Temperature = new(float64)
			r := s.ask(other, numbered("then", 3), purpose(p))
			synctest.Wait()
			began := time.Now()
			r.wait()
			require.LessOrEqual(t, time.Since(began), 3*time.Second)
		})
	}
}

// Calls with the same system prompt go one after the other, in turns that are long enough for a cache and not longer.
func TestPromptsStayTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := slow()
		s := play(t, config(), srv)
		defer s.Stop()
		spec := s.spec()
		spec.Concurrency = 4
		var all []*result
		for i := range 40 {
			all = append(all, s.ask(spec, numbered("q", 20), system(fmt.Sprint("persona ", i%4))))
		}
		for _, r := range all {
			r.wait()
		}
		changes, longest, length, last := 0, 0, 0, ""
		for _, q := range srv.requests()[1:] {
			if q.systems[0] != last {
				changes++
				length = 0
			}
			length++
			longest = max(longest, length)
			last = q.systems[0]
		}
		require.LessOrEqual(t, changes, 16)
		require.LessOrEqual(t, longest, 2*quantum, "no prompt waits for all calls of another")
	})
}

func TestCallsPastTheirDeadlineAreNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := slow()
		s := play(t, config(), srv)
		defer s.Stop()
		spec := s.spec()
		spec.Concurrency = 2
		began := time.Now()
		r := s.ask(spec, numbered("q", 10), func(q *Request) { q.Deadline = began.Add(2500 * time.Millisecond) })
		long := s.ask(spec, numbered("long", 1))
		r.wait()
		require.Equal(t, 5, r.count(func(c Completion) bool { return strings.HasPrefix(c.Text, "re: ") }), "in an attempt")
		long.wait()
		require.LessOrEqual(t, time.Since(began), 4*time.Second, "the places are for others")
		require.Equal(t, 5, r.count(func(c Completion) bool { return strings.Contains(c.Err, "deadline") }))
		require.NotContains(t, srv.order(), "q7")
	})
}

func TestCallsOfAModelAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, other := slow(), slow()
		cfg := config()
		cfg.ModelCalls = 10
		s := play(t, cfg, srv, other)
		defer s.Stop()
		one, two := s.spec(), s.spec()
		one.Endpoints, two.Endpoints = one.Endpoints[:1], two.Endpoints[1:]
		r := s.ask(one, numbered("q", 50)) // one request always gets in
		_, ok := s.try(one, numbered("q", 1))
		require.False(t, ok)
		s.ask(two, numbered("q", 10)).wait()
		r.wait()
		s.ask(one, numbered("q", 10)).wait()
	})
}

// Whatever servers do, every call ends once, with the answer to its own question.
func TestNothingIsLostAndNothingTwice(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		servers := rapid.IntRange(1, 3).Draw(rt, "servers")
		batches := rapid.Bool().Draw(rt, "batches")
		share, hedge := rapid.Bool().Draw(rt, "share"), rapid.Bool().Draw(rt, "hedge")
		faults := rapid.SliceOfN(rapid.SampledFrom([]int{-1, -1, -1, 0, 1, 2, 3, 7, 5}), 1, 30).Draw(rt, "faults")
		faults = append(faults, -1) // a server that can never be reached is waited for without end
		took := rapid.SliceOfN(rapid.IntRange(0, 3000), 1, 20).Draw(rt, "took")
		sizes := rapid.SliceOfN(rapid.IntRange(0, 90), 1, 12).Draw(rt, "sizes")
		limited := rapid.Bool().Draw(rt, "budget")
		synctest.Test(t, func(t *testing.T) {
			var count atomic.Int64
			behave := func(ctx context.Context, a asked) error {
				n := int(count.Add(1))
				if a.batch && !batches {
					return oops(modelserver.Lacking, "")
				}
				if err := pass(ctx, time.Duration(took[n%len(took)])*time.Millisecond); err != nil {
					return err
				}
				if k := faults[n%len(faults)]; k >= 0 {
					return oops(modelserver.Kind(k), "fault")
				}
				return nil
			}
			var list []*scripted
			for range servers {
				list = append(list, &scripted{before: behave})
			}
			s := play(t, config(), list...)
			defer s.Stop()
			if limited {
				s.book.cap = 60_000
			}
			var all []*result
			var texts [][]string
			for i, size := range sizes {
				spec := s.spec()
				spec.ShareIdentical, spec.Hedge = share, hedge
				words := numbered(fmt.Sprint("q", i%3, "-"), size)
				change := []func(*Request){run(fmt.Sprint("run", i%2)), system(fmt.Sprint("s", i%4)), purpose(uint8(i % 4))} //nolint:gosec // small
				if limited {
					change = append(change, budget(60_000))
				}
				if i%5 == 4 {
					change = append(change, func(q *Request) { q.Deadline = time.Now().Add(5 * time.Second) })
				}
				if size > 0 {
					all, texts = append(all, s.ask(spec, words, change...)), append(texts, words)
				}
				time.Sleep(time.Duration(i%3) * 700 * time.Millisecond) //nolint:forbidigo // of synctest's time
			}
			for i, r := range all {
				r.wait()
				for k, c := range r.done {
					if r.ended[k] && c.Err == "" {
						require.Equal(t, "re: "+texts[i][k], c.Text)
					}
				}
			}
			synctest.Wait() // for attempts that lost a race
			if limited {
				require.LessOrEqual(t, s.book.most, uint64(60_000))
				require.Zero(t, s.book.reserved)
			}
			s.mu.Lock()
			for _, p := range s.pools {
				require.Zero(t, p.busy)
				require.Zero(t, p.queue.waiting)
				require.Empty(t, p.queue.lines)
			}
			s.mu.Unlock()
		})
	})
}
