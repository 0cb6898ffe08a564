package fleet

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/modelserver"
)

// lottery is a server without batches on which one call in a number hangs, the first time it is asked anywhere.
func lottery(one int, hung *atomic.Int64) func(context.Context, asked) error {
	var n atomic.Int64
	return func(ctx context.Context, a asked) error {
		if a.batch {
			return oops(modelserver.Lacking, "")
		}
		if n.Add(1)%int64(one) == 0 {
			hung.Add(1)
			return pass(ctx, time.Minute)
		}
		return pass(ctx, time.Second+time.Duration(n.Load()%100)*time.Millisecond)
	}
}

func TestTheSlowestCallsAreAskedTwice(t *testing.T) {
	for _, servers := range []int{1, 2} {
		t.Run(fmt.Sprint(servers), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var hung atomic.Int64
				var list []*scripted
				for range servers {
					list = append(list, &scripted{before: lottery(500, &hung)})
				}
				s := play(t, config(), list...)
				defer s.Stop()
				spec := s.spec()
				spec.Hedge, spec.Concurrency = true, 50
				texts := numbered("q", 4000)
				began := time.Now()
				r := s.ask(spec, texts, budget(1<<40)).wait()
				took := time.Since(began)
				require.Equal(t, replies(texts), r.texts())
				synctest.Wait()
				u := s.book.total()
				require.Positive(t, hung.Load())
				require.GreaterOrEqual(t, u.Hedges, uint64(hung.Load()))
				require.LessOrEqual(t, u.Hedges, uint64(40), "one in a hundred at most")
				require.EqualValues(t, 4000, u.Calls, "a call that was asked twice is one call")
				require.Positive(t, u.Unreported, "what the cancelled attempts cost is counted")
				require.Zero(t, u.Retries)
				require.Zero(t, s.book.reserved)
				require.EqualValues(t, 4000*10, u.TokensIn)
				require.Less(t, took, time.Duration(4000/50/servers+20)*time.Second, "nobody waits a minute")
				singles := 0
				for _, srv := range list {
					for _, q := range srv.requests() {
						if !q.batch {
							singles++
						}
					}
				}
				require.EqualValues(t, 4000+u.Hedges, singles)
			})
		})
	}
}

func TestCallsAreNotAskedTwiceUnasked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hung atomic.Int64
		srv := &scripted{before: lottery(500, &hung)}
		s := play(t, config(), srv)
		defer s.Stop()
		spec := s.spec()
		spec.Concurrency = 50
		r := s.ask(spec, numbered("q", 1000)).wait()
		require.Equal(t, 1000, r.count(func(c Completion) bool { return c.Err == "" }))
		require.Zero(t, s.book.total().Hedges)
	})
}

// If the second attempt fails the first goes on, and if both fail the call is tried again as any other.
func TestARaceThatBothLose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asks atomic.Int64
		srv := &scripted{before: func(ctx context.Context, a asked) error {
			if a.batch {
				return oops(modelserver.Lacking, "")
			}
			if a.texts[0] == "odd" {
				switch asks.Add(1) {
				case 1:
					_ = pass(ctx, 5*time.Second)
					return oops(modelserver.Failing, "first")
				case 2:
					return oops(modelserver.Failing, "second")
				}
			}
			return pass(ctx, time.Second)
		}}
		s := play(t, config(), srv)
		defer s.Stop()
		spec := s.spec()
		spec.Hedge = true
		s.ask(spec, numbered("q", 1000)).wait()
		r := s.ask(spec, []string{"odd"}).wait()
		require.Equal(t, "re: odd", r.done[0].Text)
		require.Equal(t, 1, r.done[0].Retries)
		require.EqualValues(t, 3, asks.Load())
	})
}
