package llmproxy

import (
	"context"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

func TestMain(m *testing.M) { natstest.VerifyMain(m) }

// fast is the default configuration with waits that suit a test.
func fast(t testing.TB) Config {
	t.Helper()
	cfg, err := LoadConfig()
	require.NoError(t, err)
	cfg.Backoff, cfg.BackoffMax = time.Millisecond, 10*time.Millisecond
	cfg.BreakerWait = 20 * time.Millisecond
	return cfg
}

// stack is a running service and a requester.
type stack struct {
	svc *Service
	nc  *nats.Conn
}

func start(t testing.TB, cfg Config, change ...func(*Service)) *stack {
	t.Helper()
	return startWith(t, cfg, natstest.Logger(t), change...)
}

func startWith(t testing.TB, cfg Config, log *slog.Logger, change ...func(*Service)) *stack {
	t.Helper()
	srv := natstest.Start(t)
	svc, err := New(srv.InProcess(t), log, cfg)
	require.NoError(t, err)
	for _, f := range change {
		f(svc)
	}
	require.NoError(t, svc.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, svc.Stop(context.Background())) })
	return &stack{svc, srv.InProcess(t)}
}

// send publishes a request and returns where its results arrive.
func (s *stack) send(t testing.TB, payload []byte) *nats.Subscription {
	t.Helper()
	inbox := nats.NewInbox()
	sub, err := s.nc.SubscribeSync(inbox)
	require.NoError(t, err)
	require.NoError(t, s.nc.PublishRequest(subjects.Chat("player"), inbox, payload))
	return sub
}

func next(t testing.TB, sub *nats.Subscription) *llm.Result {
	t.Helper()
	m, err := sub.NextMsg(30 * time.Second)
	require.NoError(t, err)
	r, err := llm.DecodeResult(m.Data)
	require.NoError(t, err)
	return r
}

// answered is the next result that is more than a sign of life.
func answered(t testing.TB, sub *nats.Subscription) *llm.Result {
	t.Helper()
	for {
		if r := next(t, sub); r.Done || len(r.Index) > 0 {
			return r
		}
	}
}

// gathered is all that came back for a request.
type gathered struct {
	text, errs []string
	retries    []int
	cut        []bool
	in, out    int
	served     string
	refused    string
	messages   int // results with completions
}

// ask sends a request and waits for the last result. It fails on a call answered twice or not at all.
func (s *stack) ask(t testing.TB, req *llm.Request) gathered {
	t.Helper()
	payload, err := llm.EncodeRequest(req)
	require.NoError(t, err)
	sub := s.send(t, payload)
	defer func() { require.NoError(t, sub.Unsubscribe()) }()
	n := len(req.Calls)
	g := gathered{text: make([]string, n), errs: make([]string, n), retries: make([]int, n), cut: make([]bool, n)}
	seen := make([]bool, n)
	for {
		r := next(t, sub)
		require.Equal(t, req.ID, r.ID)
		require.LessOrEqual(t, len(r.Index), llm.ChunkCalls)
		for i, at := range r.Index {
			require.False(t, seen[at], "call %d was answered twice", at)
			seen[at] = true
			g.text[at], g.retries[at] = r.Text[i], int(r.Retries[i])
			if r.Error != nil {
				g.errs[at] = r.Error[i]
			}
			g.cut[at] = slices.Contains(r.Cut, uint32(i))
			g.in += int(r.TokensIn[i])
			g.out += int(r.TokensOut[i])
		}
		if len(r.Index) > 0 {
			g.served = r.Served
			g.messages++
		}
		if r.Done {
			g.refused = r.Refused
			break
		}
	}
	if g.refused == "" {
		require.NotContains(t, seen, false)
	}
	return g
}

// accepted is the number of calls that are accepted and have no result.
func accepted(s *Service) int64 {
	s.roll.mu.Lock()
	defer s.roll.mu.Unlock()
	return s.roll.calls
}

// call is a call as players get it.
func call(t testing.TB, c llm.Call) (llm.Ask, llm.Body) {
	t.Helper()
	data, err := llm.EncodeRequest(&llm.Request{Calls: []llm.Call{c}})
	require.NoError(t, err)
	head, err := llm.ReadHead(data)
	require.NoError(t, err)
	asks, err := head.Asks()
	require.NoError(t, err)
	return asks[0], head.Body()
}

// request is a batch of calls of agents 0..n-1.
func request(t testing.TB, m scenario.Model, f *llm.Facts, n int) *llm.Request {
	t.Helper()
	model, err := msgpack.Marshal(&m)
	require.NoError(t, err)
	req := &llm.Request{ID: 42, Run: "r1", Model: model, Calls: make([]llm.Call, n)}
	if f != nil {
		req.Round, req.Facts = f.Round, llm.EncodeFacts(f)
	}
	for i := range req.Calls {
		req.Calls[i] = llm.Call{Agent: uint64(i), Messages: []llm.Message{{Role: llm.RoleUser, Content: "agent " + strconv.Itoa(i)}}}
	}
	return req
}

func numberFacts(lo, hi float64) *llm.Facts {
	return &llm.Facts{Seed: 7, Round: 1, Question: "guess", Type: scenario.TypeNumber, Min: lo, Max: hi}
}

func number(t testing.TB, s string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(s, 64)
	require.NoError(t, err)
	return v
}

func moments(list []float64) (mean, se float64) {
	for _, v := range list {
		mean += v
	}
	mean /= float64(len(list))
	for _, v := range list {
		se += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(se/float64(len(list)-1)) / math.Sqrt(float64(len(list)))
}
