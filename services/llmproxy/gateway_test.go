package llmproxy

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/usage"
	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// batchServer is a model server with both endpoints. It repeats the last message, refuses "bad" ones, and counts 10 tokens
// in and 2 out a conversation.
type batchServer struct {
	*httptest.Server
	mu      sync.Mutex
	bodies  []string
	batches atomic.Int64
}

func batching(t testing.TB) *batchServer {
	t.Helper()
	b := &batchServer{}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		b.mu.Lock()
		b.bodies = append(b.bodies, string(raw))
		b.mu.Unlock()
		var one struct{ Messages []chatMessage }
		var many struct{ Messages [][]chatMessage }
		var list [][]chatMessage
		switch {
		case r.URL.Path == "/v1/chat/completions" && json.Unmarshal(raw, &one) == nil:
			list = append(list, one.Messages)
		case r.URL.Path == "/v1/chat/completions/batch" && json.Unmarshal(raw, &many) == nil:
			b.batches.Add(1)
			list = many.Messages
		default:
			http.NotFound(w, r)
			return
		}
		var choices []string
		for i, messages := range list {
			text := messages[len(messages)-1].Content
			if strings.HasPrefix(text, "bad") {
				http.Error(w, `{"error":{"message":"the prompt is too long"}}`, http.StatusBadRequest)
				return
			}
			choices = append(choices, fmt.Sprintf(`{"index":%d,"finish_reason":"stop","message":{"role":"assistant","content":%q}}`, i, "re: "+text))
		}
		write(w, fmt.Sprintf(`{"id":"x","object":"chat.completion","created":1,"model":"tiny-served","choices":[%s],"usage":{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}}`,
			strings.Join(choices, ","), 10*len(list), 2*len(list), 12*len(list)))
	}))
	t.Cleanup(b.Close)
	return b
}

func (b *batchServer) model() scenario.Model {
	return scenario.Model{Name: "player", Provider: "openai", Model: "tiny", Endpoints: []string{b.URL + "/v1"}, MaxTokens: 50}
}

// results are all that comes for a request.
func (s *stack) results(t testing.TB, req *llm.Request) (list []*llm.Result) {
	t.Helper()
	payload, err := llm.EncodeRequest(req)
	require.NoError(t, err)
	sub := s.send(t, payload)
	for {
		r := answered(t, sub)
		list = append(list, r)
		if r.Done {
			return list
		}
	}
}

// What a batch took is shared out exactly, and said to be.
func TestBatchesReachTheWire(t *testing.T) {
	b := batching(t)
	s := start(t, fast(t))
	in, out, n := uint64(0), uint64(0), 0
	for _, r := range s.results(t, request(t, b.model(), nil, 500)) {
		require.True(t, r.Apportioned || len(r.Index) == 0)
		for i, at := range r.Index {
			require.Equal(t, fmt.Sprintf("re: agent %d", at), r.Text[i])
			in, out, n = in+uint64(r.TokensIn[i]), out+uint64(r.TokensOut[i]), n+1
		}
	}
	require.Equal(t, 500, n)
	require.Equal(t, []uint64{5000, 1000}, []uint64{in, out})
	require.Positive(t, b.batches.Load())
	// How large they become is a matter of how fast this machine is just now; that most calls share one is not.
	require.Less(t, b.batches.Load(), int64(250))
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, body := range b.bodies {
		require.NotContains(t, body, "seed")
		require.Contains(t, body, `"max_tokens":50`)
	}
}

func TestARefusedPromptIsNamedOnTheWire(t *testing.T) {
	b := batching(t)
	s := start(t, fast(t))
	req := request(t, b.model(), nil, 40)
	req.Calls[17].Messages[0].Content = "bad prompt"
	seen := 0
	for _, r := range s.results(t, req) {
		for i, at := range r.Index {
			rejected := slices.Contains(r.Rejected, uint32(i))
			require.Equal(t, at == 17, rejected)
			if rejected {
				require.Contains(t, r.Error[i], "the prompt is too long")
			}
			seen++
		}
	}
	require.Equal(t, 40, seen)
}

func TestSharedAnswersAreNamedOnTheWire(t *testing.T) {
	b := batching(t)
	s := start(t, fast(t))
	m := b.model()
	m.ShareIdentical = true
	req := request(t, m, nil, 60)
	for i := range req.Calls {
		req.Calls[i].Agent = uint64(1000 + i)
		req.Calls[i].Messages[0].Content = fmt.Sprint("mood ", i%3)
	}
	tokens, shared := uint64(0), 0
	for _, r := range s.results(t, req) {
		for i, at := range r.Index {
			require.Equal(t, fmt.Sprint("re: mood ", at%3), r.Text[i])
			tokens += uint64(r.TokensIn[i])
			if r.Shared != nil && r.Shared[i] != 0 {
				require.Equal(t, uint64(1000+at%3+1), r.Shared[i])
				shared++
			}
		}
	}
	require.Equal(t, 57, shared)
	require.EqualValues(t, 30, tokens)
}

func TestStructuredOutputIsAskedFor(t *testing.T) {
	b := batching(t)
	s := start(t, fast(t))
	m := b.model()
	m.Structured = "response_format"
	ask := func(purpose uint8) string {
		req := request(t, m, numberFacts(0, 100), 1)
		req.Purpose = purpose
		s.ask(t, req)
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.bodies[len(b.bodies)-1]
	}
	require.Contains(t, ask(llm.PurposeAnswer), `"response_format":{"type":"json_schema"`)
	require.Contains(t, ask(llm.PurposeReask), `"response_format"`)
	require.NotContains(t, ask(llm.PurposeExtract), `"response_format"`, "it may say that there is no answer")
	m.Structured = "structured_outputs"
	require.Contains(t, ask(llm.PurposeAnswer), `"structured_outputs":{"json"`)
}

// limited gives a request a budget in tokens.
func limited(req *llm.Request, seq, tokens uint64) *llm.Request {
	req.Budget = llm.EncodeBudget(&llm.Budget{Seq: seq, Run: llm.Cap{Tokens: tokens}})
	return req
}

// What a run may spend is kept by all proxies together; what was spent is in the account when they have stopped.
func TestABudgetHoldsOnTheWire(t *testing.T) {
	b := batching(t)
	s := start(t, fast(t))
	const tokens = 3000
	done := 0
	list := s.results(t, limited(request(t, b.model(), nil, 400), 1, tokens))
	for _, r := range list {
		done += len(r.Index)
	}
	last := list[len(list)-1]
	require.True(t, strings.HasPrefix(last.Refused, llm.RefusedBudget), last.Refused)
	require.Contains(t, last.Refused, "may spend 3000 tokens")
	require.LessOrEqual(t, 12*done, tokens)
	require.Greater(t, 12*done, tokens-300)
	require.Empty(t, s.ask(t, limited(request(t, b.model(), nil, 100), 2, 100_000)).refused, "with more it goes on")
	js, err := jetstream.New(s.nc)
	require.NoError(t, err)
	kv, err := js.KeyValue(t.Context(), subjects.BucketUsage)
	require.NoError(t, err)
	require.NoError(t, s.svc.Stop(t.Context()))
	account, err := usage.Read(t.Context(), kv, "r1")
	require.NoError(t, err)
	total := account.Total()
	require.EqualValues(t, done+100, total.Calls)
	require.EqualValues(t, 12*(done+100), total.TokensIn+total.TokensOut)
	require.Zero(t, total.Unreported)
	require.Zero(t, account.Held().Tokens)
}

func TestABudgetInMoneyNeedsAPrice(t *testing.T) {
	b := batching(t)
	money := func(cfg Config) gathered {
		req := request(t, b.model(), nil, 3)
		req.Budget = llm.EncodeBudget(&llm.Budget{Seq: 1, Run: llm.Cap{Micros: 1_000_000}})
		return start(t, cfg).ask(t, req)
	}
	cfg := fast(t)
	require.Contains(t, money(cfg).refused, "MYRIAD_LLMPROXY_PRICES")
	cfg.Prices = filepath.Join(t.TempDir(), "prices.yaml")
	require.NoError(t, os.WriteFile(cfg.Prices, []byte("currency: USD\nmodels:\n  tiny: {input: 0.15, output: 0.60}\n"), 0o600))
	require.Empty(t, money(cfg).refused)
	require.NoError(t, os.WriteFile(cfg.Prices, []byte("models: 7"), 0o600))
	_, err := New(nil, nil, cfg)
	require.ErrorIs(t, err, ErrConfig)
}

func TestADeadlineIsKept(t *testing.T) {
	f, gate := gated(t)
	defer close(gate)
	s := start(t, fast(t))
	m := f.model()
	m.Concurrency = 1
	s.send(t, func() []byte {
		p, err := llm.EncodeRequest(request(t, m, nil, 1))
		require.NoError(t, err)
		return p
	}())
	until(t, func() bool { return len(f.requests()) == 1 }, "the only place is taken")
	req := request(t, m, nil, 2)
	req.Deadline = time.Now().Add(100 * time.Millisecond).UnixMilli()
	got := s.ask(t, req)
	for _, e := range got.errs {
		require.Contains(t, e, "deadline")
	}
}

// An attachment has no bytes that bound its tokens.
func TestAttachmentsCount(t *testing.T) {
	bytes, n := length([]llm.Message{{Content: "hello"}, {Content: "see", Parts: []byte(`[{"type":"image_url","image_url":{"url":"https://x.example/a.png"}},{"type":"input_audio"}]`)}})
	require.Equal(t, []int{5 + 3 + 2*attachmentTokens, 2}, []int{bytes, n})
}

func TestSettingsOfTheFleetAreChecked(t *testing.T) {
	for _, spoil := range []func(*Config){
		func(c *Config) { c.MaxBatch = 0 }, func(c *Config) { c.SpillFactor = 0 }, func(c *Config) { c.DownAfter = -1 },
		func(c *Config) { c.MaxConcurrency = 0 }, func(c *Config) { c.BatchMaxTokens = 0 },
	} {
		cfg := fast(t)
		spoil(&cfg)
		_, err := New(nil, nil, cfg)
		require.ErrorIs(t, err, ErrConfig)
	}
}
