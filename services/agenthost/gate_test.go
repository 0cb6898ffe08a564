package agenthost

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(10)
		var used, most atomic.Int64
		var all sync.WaitGroup
		for n := range int64(40) {
			all.Go(func() {
				least := n%10 + 1
				got := g.take(t.Context().Done(), least, 10)
				require.GreaterOrEqual(t, got, least)
				now := used.Add(got)
				for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
				}
				used.Add(-got)
				g.give(got)
			})
		}
		all.Wait()
		require.LessOrEqual(t, most.Load(), int64(10))
		require.Zero(t, g.inUse())

		require.EqualValues(t, 25, g.try(25, 25), "what is larger than the gate goes alone")
		require.Zero(t, g.try(1, 1))
		g.force(5)
		ctx, cancel := context.WithCancel(t.Context())
		took := make(chan int64, 1)
		go func() { took <- g.take(ctx.Done(), 2, 4) }()
		synctest.Wait()
		g.give(25)
		synctest.Wait()
		require.EqualValues(t, 4, <-took)
		go func() { took <- g.take(ctx.Done(), 2, 4) }()
		synctest.Wait()
		require.Empty(t, took, "one place is fewer than it wants")
		g.give(2)
		synctest.Wait()
		require.EqualValues(t, 3, <-took, "it takes what there is")
		go func() { took <- g.take(ctx.Done(), 1, 1) }()
		synctest.Wait()
		cancel()
		require.Zero(t, <-took)
		require.EqualValues(t, 10, g.inUse())
	})
}

// A model that does not answer holds its own agents up and nobody else's, and no more of them are asked than the bound says.
func TestASlowModelHoldsUpItsOwnAgents(t *testing.T) {
	source := strings.Replace(guess(400, ""), `models: {m: {provider: openai, model: x, endpoints: ["http://127.0.0.1:1/v1"]}}
agents: {all: {model: m, system: "You play."}}`, `models:
  slow: {provider: openai, model: x, endpoints: ["http://127.0.0.1:1/v1"]}
  fast: {provider: openai, model: y, endpoints: ["http://127.0.0.1:1/v1"]}
agents: {tortoises: {count: 200, model: slow, system: "slow"}, hares: {count: 200, model: fast, system: "fast"}}`, 1)
	s := newStage(t)
	cfg := patient()
	cfg.ModelInFlight, cfg.Batch = 30, 8
	h := s.host(cfg)
	held := make(chan asked, 100)
	var waiting atomic.Int64
	s.proxy(func(a asked) {
		if a.System == "slow" {
			waiting.Add(int64(len(a.Calls)))
			held <- a
			return
		}
		numbers(a)
	})
	s.create(source, 400, 64, h)
	s.open()
	s.eventually(func() bool { return s.fold.Left() == 200 }, "all hares have answered")
	require.Eventually(t, func() bool { return waiting.Load() > 22 }, waitFor, pollEvery)
	require.LessOrEqual(t, waiting.Load(), int64(30))
	for s.fold.Left() > 0 {
		select {
		case a := <-held:
			waiting.Add(-int64(len(a.Calls)))
			numbers(a)
			require.LessOrEqual(t, waiting.Load(), int64(30))
		default:
			s.catchUp()
		}
	}
	s.answered(h)
}

// Requests that nobody has answered take so many bytes and no more.
func TestBytesInFlightAreBounded(t *testing.T) {
	source := strings.Replace(guess(200, ""), "You play.", strings.Repeat("long ", 800), 1) // 4 KB a request
	s := newStage(t)
	cfg := patient()
	cfg.InFlightBytes, cfg.Batch = 20_000, 2
	h := s.host(cfg)
	held := make(chan asked, 100)
	s.proxy(func(a asked) { held <- a })
	s.create(source, 200, 64, h)
	s.open()
	for range 100 {
		a := <-held
		require.Less(t, len(held), 5)
		require.LessOrEqual(t, h.asker.bytes.inUse(), cfg.InFlightBytes)
		numbers(a)
	}
	s.complete()
	s.answered(h)
}
