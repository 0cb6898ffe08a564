package fleet

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/modelserver"
)

func TestConcurrencyIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, batches := range []bool{false, true} {
			srv := slow()
			if batches {
				srv.before = after(time.Second)
			}
			s := play(t, config(), srv)
			spec := s.spec()
			spec.Concurrency = 23
			s.ask(spec, numbered("q", 300)).wait()
			require.LessOrEqual(t, srv.most, 23)
			require.GreaterOrEqual(t, srv.most, 20)
			s.Stop()
		}
	})
}

// An endpoint that ends more calls the more it gets is given as many as it likes.
func TestTheLimitGrowsWhileThatHelps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := slow()
		s := play(t, config(), srv)
		defer s.Stop()
		began := time.Now()
		s.ask(s.spec(), numbered("q", 20000)).wait()
		require.Less(t, time.Since(began), 30*time.Second, "with 64 places it would be 312 seconds")
		require.GreaterOrEqual(t, srv.most, 4096)
	})
}

func TestTheLimitHasABound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := slow()
		cfg := config()
		cfg.MaxConcurrency = 100
		s := play(t, cfg, srv)
		defer s.Stop()
		s.ask(s.spec(), numbered("q", 2000)).wait()
		require.Equal(t, 100, srv.most)
	})
}

// A server that works on a number of calls and lets the others wait is not flooded: more calls there end no sooner.
func TestAServerThatIsFullIsNotFlooded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &scripted{before: queueing(200)}
		s := play(t, config(), srv)
		defer s.Stop()
		s.ask(s.spec(), numbered("q", 20000)).wait()
		require.Less(t, srv.most, 3000, "doubling goes a little too far before it is seen")
		s.mu.Lock()
		defer s.mu.Unlock()
		limit := s.endpoints[Endpoint{URL: srv.url}].limit.limit
		require.Less(t, limit, 700.0)
		require.Greater(t, limit, 150.0)
	})
}

// queueing is a server without batches that works on n calls at a time, a second each.
func queueing(n int) func(context.Context, asked) error {
	places := make(chan struct{}, n)
	return func(ctx context.Context, a asked) error {
		if a.batch {
			return oops(modelserver.Lacking, "")
		}
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			return oops(modelserver.Lost, "time is up")
		}
		defer func() { <-places }()
		return pass(ctx, time.Second)
	}
}

// What a server refuses as too much is not asked of it again and again.
func TestTheLimitGoesDownWhenAServerIsOverloaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		now, refused := 0, 0
		srv := &scripted{before: func(ctx context.Context, a asked) error {
			if a.batch {
				return oops(modelserver.Lacking, "")
			}
			mu.Lock()
			now++
			full := now > 150
			if full {
				refused++
			}
			mu.Unlock()
			defer func() {
				mu.Lock()
				now--
				mu.Unlock()
			}()
			if full {
				return oops(modelserver.Overloaded, "full")
			}
			return pass(ctx, time.Second)
		}}
		cfg := config()
		cfg.MaxAttempts = 50
		s := play(t, cfg, srv)
		defer s.Stop()
		began := time.Now()
		r := s.ask(s.spec(), numbered("q", 15000)).wait()
		require.Equal(t, 15000, r.count(func(c Completion) bool { return c.Err == "" }))
		require.Less(t, refused, 1500)
		require.Less(t, time.Since(began), 200*time.Second, "150 calls a second are possible")
	})
}

// The server's own figures stop the growth, whatever the calls say.
func TestTheLoadIsHeeded(t *testing.T) {
	for name, load := range map[string]modelserver.Load{
		"waiting": {Running: 100, Waiting: 50}, "cache": {Running: 100, CacheUsage: 0.99},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := slow()
				srv.load = func() (modelserver.Load, error) { return load, nil }
				s := play(t, config(), srv)
				defer s.Stop()
				began := time.Now()
				s.ask(s.spec(), numbered("q", 3000)).wait()
				require.LessOrEqual(t, srv.most, 256)
				took := time.Since(began).Seconds()
				_, _, before, _ := srv.seen()
				require.Less(t, float64(before), took+1, "once a second")
				require.Greater(t, float64(before), took/2, "while there is work")
				time.Sleep(time.Minute) //nolint:forbidigo // of synctest's time
				_, _, later, _ := srv.seen()
				require.LessOrEqual(t, later, before+1)
				s.mu.Lock()
				require.Less(t, s.endpoints[Endpoint{URL: srv.url}].limit.limit, 64.0)
				s.mu.Unlock()
			})
		})
	}
}

func TestFreePlacesOfTheServerAreUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := slow()
		srv.load = func() (modelserver.Load, error) { return modelserver.Load{Running: 100}, nil }
		s := play(t, config(), srv)
		defer s.Stop()
		s.ask(s.spec(), numbered("first", 64)).wait()
		s.mu.Lock()
		e := s.endpoints[Endpoint{URL: srv.url}]
		e.limit.slow = false // as after a time of trouble
		s.mu.Unlock()
		began := time.Now()
		s.ask(s.spec(), numbered("q", 5000)).wait()
		require.Less(t, time.Since(began), 20*time.Second, "8 places more in a second would make it 30")
	})
}

func TestAServerWithoutMetricsIsAskedForThemOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := slow()
		s := play(t, config(), srv)
		defer s.Stop()
		s.ask(s.spec(), numbered("q", 3000)).wait()
		_, _, loads, _ := srv.seen()
		require.Equal(t, 1, loads)
	})
}
