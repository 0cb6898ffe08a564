package fleet

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/modelserver"
)

// prefixHits is the share of conversations whose system prompt the server had seen before, with room for a few prompts.
func prefixHits(servers []*scripted, room int) float64 {
	hits, all := 0, 0
	for _, s := range servers {
		var cache []string
		for _, q := range s.requests() {
			for _, p := range q.systems {
				all++
				at := -1
				for i, c := range cache {
					if c == p {
						at = i
					}
				}
				if at >= 0 {
					hits++
					cache = append(cache[:at], cache[at+1:]...)
				} else if len(cache) == room {
					cache = cache[1:]
				}
				cache = append(cache, p)
			}
		}
	}
	return float64(hits) / float64(all)
}

func TestPromptsHaveAHome(t *testing.T) {
	hits := func(affinity, batches bool) (share float64) {
		synctest.Test(t, func(t *testing.T) {
			behave := func(ctx context.Context, a asked) error {
				if a.batch && !batches {
					return oops(modelserver.Lacking, "")
				}
				return pass(ctx, time.Second)
			}
			servers := []*scripted{{before: behave}, {before: behave}}
			cfg := config()
			cfg.Affinity = affinity
			s := play(t, cfg, servers...)
			defer s.Stop()
			var all []*result
			for i := range 100 {
				all = append(all, s.ask(s.spec(), numbered("q", 60), system(fmt.Sprint("persona ", i%10))))
			}
			for _, r := range all {
				require.Equal(t, 60, r.wait().count(func(c Completion) bool { return c.Err == "" }))
			}
			require.Greater(t, min(len(servers[0].order()), len(servers[1].order())), 1000, "both have work")
			share = prefixHits(servers, 6)
		})
		return share
	}
	for _, batches := range []bool{false, true} {
		with, without := hits(true, batches), hits(false, batches)
		require.GreaterOrEqual(t, with, 0.97)
		require.Less(t, without, with)
	}
}

// When an endpoint goes, its prompts move and no others; every proxy chooses alike.
func TestHomesAreStable(t *testing.T) {
	f, err := New(Config{
		ModelCalls: 1, Concurrency: 1, MaxConcurrency: 1, MaxBatch: 1, BatchMaxTokens: 1, SpillFactor: 1, MaxAttempts: 1, RetryFor: 1, Backoff: 1,
		BackoffMax: 1, RetryAfterMax: 1, BreakerFailures: 1, BreakerWait: 1, DownAfter: 1, Dial: func(Endpoint) Server { return nil },
	}, quiet, nil, nil)
	require.NoError(t, err)
	spec := &Spec{Params: modelserver.Params{Model: "m"}, Endpoints: []Endpoint{{URL: "http://a"}, {URL: "http://b"}, {URL: "http://c"}}}
	other := &Spec{Params: spec.Params, Endpoints: []Endpoint{{URL: "http://c"}, {URL: "http://a"}, {URL: "http://b"}}}
	spec.once.Do(spec.name)
	other.once.Do(other.name)
	p, q := f.pool(spec), f.pool(other)
	count := map[string]int{}
	for i := range 300 {
		system := fmt.Sprint("prompt ", i)
		j := &job{Request: &Request{System: system}, spec: spec}
		k := &job{Request: &Request{System: system}, spec: other}
		for _, e := range p.endpoints {
			e.state = up
		}
		home := first(p.rank(j))
		require.Equal(t, home.at, first(q.rank(k)).at)
		count[home.at.URL]++
		p.endpoints[0].state = down
		if home != p.endpoints[0] {
			require.Equal(t, home, first(p.rank(j)))
		} else {
			require.NotEqual(t, home, first(p.rank(j)))
		}
	}
	for _, n := range count {
		require.InDelta(t, 100, n, 40)
	}
	require.Nil(t, p.rank(&job{Request: &Request{}, spec: spec}), "calls without a shared prompt have no home")
}

// One prompt for all does not leave the other endpoints idle.
func TestABusyHomeSpills(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := []*scripted{slow(), slow(), slow()}
		cfg := config()
		s := play(t, cfg, servers...)
		defer s.Stop()
		s.ask(s.spec(), numbered("q", 1000), system("one for all")).wait()
		for _, srv := range servers {
			require.Greater(t, len(srv.order()), 200)
		}
	})
}

func TestCallsWithoutASharedPromptGoWhereLeastIsToDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		quick, lame := slow(), slow()
		lame.before = func(ctx context.Context, a asked) error {
			if a.batch {
				return oops(modelserver.Lacking, "")
			}
			return pass(ctx, 10*time.Second)
		}
		s := play(t, config(), quick, lame)
		defer s.Stop()
		spec := s.spec()
		spec.Concurrency = 4
		s.ask(spec, numbered("q", 200)).wait()
		require.Greater(t, len(quick.order()), 150, "who is done sooner gets more")
		require.GreaterOrEqual(t, len(lame.order()), 8)
	})
}

func TestEndpointsTakeTurnsIfTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := []*scripted{slow(), slow(), slow()}
		cfg := config()
		cfg.Affinity = false
		s := play(t, cfg, servers...)
		defer s.Stop()
		for range 30 {
			s.ask(s.spec(), numbered("q", 1), system("one for all")).wait()
		}
		for _, srv := range servers {
			require.Len(t, srv.order(), 10)
		}
	})
}
