package fleet

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

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

func benchmark(b *testing.B, srv Server, endpoints int, change ...func(*Config)) {
	const calls = 1024
	cfg := config()
	cfg.Dial = func(Endpoint) Server { return srv }
	for _, f := range change {
		f(&cfg)
	}
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

// served is a model server over HTTP that answers at once with as many choices as it is asked for.
func served(b *testing.B) *httptest.Server {
	choice := func(i int) string {
		return fmt.Sprintf(`{"index":%d,"finish_reason":"stop","message":{"role":"assistant","content":"Answer: 42"}}`, i)
	}
	bodies := map[int]string{}
	for _, n := range []int{1, 64, 256} {
		var list []string
		for i := range n {
			list = append(list, choice(i))
		}
		bodies[n] = fmt.Sprintf(`{"model":"m","choices":[%s],"usage":{"prompt_tokens":%d,"completion_tokens":%d}}`, strings.Join(list, ","), 100*n, 3*n)
	}
	var mu sync.Mutex
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		n := bytes.Count(raw, []byte(`"role":"user"`))
		mu.Lock()
		body, ok := bodies[n]
		if !ok {
			var list []string
			for i := range n {
				list = append(list, choice(i))
			}
			body = fmt.Sprintf(`{"model":"m","choices":[%s],"usage":{"prompt_tokens":%d,"completion_tokens":%d}}`, strings.Join(list, ","), 100*n, 3*n)
			bodies[n] = body
		}
		mu.Unlock()
		if strings.HasSuffix(r.URL.Path, "/metrics") {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, body)
	}))
	b.Cleanup(srv.Close)
	return srv
}

// BenchmarkHTTP compares the fleet with a client that sends the same to the same server by itself.
func BenchmarkHTTP(b *testing.B) {
	message := []llm.Message{{Role: llm.RoleUser, Content: strings.Repeat("What do you report? ", 10)}}
	params := &modelserver.Params{Model: "m", MaxTokens: 64}
	direct := func(b *testing.B, n int) {
		client := modelserver.NewHTTPClient()
		defer client.CloseIdleConnections()
		s := modelserver.New(modelserver.Settings{URL: served(b).URL + "/v1", HTTP: client})
		conv := modelserver.Conversation{System: "You play a game.", Messages: message}
		list := slices.Repeat([]modelserver.Conversation{conv}, n)
		var open errgroup.Group
		open.SetLimit(64 / min(n, 16)) // 64 calls in flight, or 4 batches
		for b.Loop() {
			for sent := 0; sent < 1024; sent += n {
				open.Go(func() error {
					if n > 1 {
						_, err := s.Batch(b.Context(), params, list)
						return err
					}
					_, err := s.Chat(b.Context(), params, conv)
					return err
				})
			}
		}
		require.NoError(b, open.Wait())
		b.ReportMetric(float64(b.N*1024)/b.Elapsed().Seconds(), "calls/s")
	}
	fleet := func(b *testing.B, most int) {
		client := modelserver.NewHTTPClient()
		defer client.CloseIdleConnections()
		benchmark(b, modelserver.New(modelserver.Settings{URL: served(b).URL + "/v1", HTTP: client}), 1, func(c *Config) {
			c.MaxBatch = most
			if most == 1 {
				c.MaxConcurrency = 64
			}
		})
	}
	b.Run("batch direct", func(b *testing.B) { direct(b, 256) })
	b.Run("batch fleet", func(b *testing.B) { fleet(b, 256) })
	b.Run("single direct", func(b *testing.B) { direct(b, 1) })
	b.Run("single fleet", func(b *testing.B) { fleet(b, 1) })
}
