package fleet

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/modelserver"
)

// instant is a server that answers at once.
type instant struct{ single bool }

var reply = modelserver.Completion{Text: "Answer: 42", TokensIn: 100, TokensOut: 3, Served: "tiny"}

func (i instant) Chat(context.Context, *modelserver.Params, modelserver.Conversation) (modelserver.Completion, error) {
	return reply, nil
}

func (i instant) Batch(_ context.Context, _ *modelserver.Params, list []modelserver.Conversation) (modelserver.Batch, error) {
	if i.single {
		return modelserver.Batch{}, &modelserver.Error{Kind: modelserver.Lacking}
	}
	b := modelserver.Batch{Completions: make([]modelserver.Completion, len(list)), TokensIn: 100 * uint64(len(list)), TokensOut: 3}
	for i := range b.Completions {
		b.Completions[i] = reply
	}
	return b, nil
}

func (instant) Healthy(context.Context) error { return nil }

func (instant) Load(context.Context) (modelserver.Load, error) {
	return modelserver.Load{}, modelserver.ErrNoMetrics
}

// BenchmarkFleet is the way of a call through the fleet alone, from a request of 1,024 calls to their completions.
func BenchmarkFleet(b *testing.B) {
	b.Run("batch", func(b *testing.B) { benchmark(b, instant{}, 1) })
	b.Run("single", func(b *testing.B) { benchmark(b, instant{single: true}, 1) })
	b.Run("batch of 4 endpoints and 100 prompts", func(b *testing.B) { benchmark(b, instant{}, 4) })
}

func benchmark(b *testing.B, srv Server, endpoints int) {
	const calls = 1024
	cfg := config()
	cfg.Dial = func(Endpoint) Server { return srv }
	f, err := New(cfg, quiet, &ledger{}, &news{})
	require.NoError(b, err)
	require.NoError(b, f.Start(b.Context()))
	defer f.Stop()
	spec := &Spec{Name: "player", Params: modelserver.Params{Model: "tiny", MaxTokens: 64}, Timeout: 1e11}
	for i := range endpoints {
		spec.Endpoints = append(spec.Endpoints, Endpoint{URL: "http://s" + strings.Repeat("x", i)})
	}
	messages := []llm.Message{{Role: llm.RoleUser, Content: strings.Repeat("What do you report? ", 10)}}
	prompts := make([]string, 1)
	if endpoints > 1 {
		prompts = numbered("You are persona ", 100)
	}
	gate := make(chan struct{}, 64) // requests at a time
	var open sync.WaitGroup
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		gate <- struct{}{}
		open.Add(1)
		left := calls
		n++
		require.True(b, f.Submit(spec, &Request{
			Run: "r", Round: 1, System: prompts[n%len(prompts)], Len: calls,
			Messages: func(int) []llm.Message { return messages },
			Bytes:    func(int) (int, int) { return 200, 1 },
			Agent:    func(i int) uint64 { return uint64(i) },
			Complete: func(int, Completion) {
				if left--; left == 0 {
					<-gate
					open.Done()
				}
			},
			Refuse: func(string) {},
		}))
	}
	open.Wait()
	b.ReportMetric(float64(b.N*calls)/b.Elapsed().Seconds(), "calls/s")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*calls), "ns/call")
}
