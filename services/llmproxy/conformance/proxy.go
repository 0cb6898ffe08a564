package conformance

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/pkg/subjects"
	"github.com/myriad-sim/myriad/services/llmproxy"
)

// patience is how long anything may take on a machine that has much to do.
const patience = time.Minute

// proxy is a running llmproxy and somebody who asks it.
type proxy struct {
	svc *llmproxy.Service
	nc  *nats.Conn
}

// startProxy starts a proxy with the default configuration, but for waits that suit a test. It is stopped with the test.
func startProxy(t *testing.T, bus *natstest.Server) *proxy {
	t.Helper()
	cfg, err := llmproxy.LoadConfig()
	require.NoError(t, err)
	cfg.Backoff, cfg.BackoffMax, cfg.RetryAfterMax = time.Millisecond, 10*time.Millisecond, 50*time.Millisecond
	cfg.BreakerWait = 20 * time.Millisecond
	cfg.MaxBatch = 64
	svc, err := llmproxy.New(bus.InProcess(t), natstest.Logger(t), cfg)
	require.NoError(t, err)
	require.NoError(t, svc.Start(t.Context()))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, svc.Stop(ctx))
	})
	return &proxy{svc, bus.InProcess(t)}
}

// post sends a payload and returns where its results arrive.
func (p *proxy) post(t *testing.T, payload []byte) *nats.Subscription {
	t.Helper()
	inbox, err := p.nc.SubscribeSync(nats.NewInbox())
	require.NoError(t, err)
	require.NoError(t, p.nc.PublishRequest(subjects.Chat("player"), inbox.Subject, payload))
	return inbox
}

// gathered is what came back for a request.
type gathered struct {
	text, errs []string
	rejected   []bool
	shared     []uint64
	in, out    []uint32
	refused    string
	answered   int
	signs      int             // results without a completion, before the last
	messages   []time.Duration // when each result with completions came
}

// gather waits for the last result of a request of n calls. It fails on a call that is answered twice or was not asked,
// on results of other requests, and on calls without an answer that nobody refused.
func gather(t *testing.T, inbox *nats.Subscription, id uint64, n int) gathered {
	t.Helper()
	began := time.Now()
	g := gathered{
		text: make([]string, n), errs: make([]string, n), rejected: make([]bool, n), shared: make([]uint64, n),
		in: make([]uint32, n), out: make([]uint32, n),
	}
	seen := make([]bool, n)
	for {
		m, err := inbox.NextMsg(patience)
		require.NoError(t, err)
		r, err := llm.DecodeResult(m.Data)
		require.NoError(t, err)
		require.Equal(t, id, r.ID)
		for i, at := range r.Index {
			require.Less(t, int(at), n, "a call that was not asked")
			require.False(t, seen[at], "call %d is answered twice", at)
			seen[at] = true
			g.text[at], g.in[at], g.out[at] = r.Text[i], r.TokensIn[i], r.TokensOut[i]
			if len(r.Error) > 0 {
				g.errs[at] = r.Error[i]
			}
			if len(r.Shared) > 0 {
				g.shared[at] = r.Shared[i]
			}
			require.Equal(t, g.errs[at] == "", g.text[at] != "", "call %d has a text or an error", at)
		}
		for _, i := range r.Rejected {
			g.rejected[r.Index[i]] = true
		}
		g.answered += len(r.Index)
		switch {
		case r.Done:
			g.refused = r.Refused
			if g.refused == "" {
				require.Equal(t, n, g.answered)
			}
			if len(r.Index) > 0 {
				g.messages = append(g.messages, time.Since(began))
			}
			return g
		case len(r.Index) == 0:
			g.signs++
		default:
			g.messages = append(g.messages, time.Since(began))
		}
	}
}

// ask sends a request and waits for the last result.
func (p *proxy) ask(t *testing.T, r *llm.Request) gathered {
	t.Helper()
	inbox := p.post(t, encode(t, r))
	g := gather(t, inbox, r.ID, len(r.Calls))
	// The word that a request is taken may be overtaken by its results.
	if m, err := inbox.NextMsg(time.Millisecond); err == nil {
		r, err := llm.DecodeResult(m.Data)
		require.NoError(t, err)
		require.False(t, r.Done || len(r.Index) > 0, "results follow the last one")
	}
	require.NoError(t, inbox.Unsubscribe())
	return g
}

// good is ask where every call has a completion.
func (p *proxy) good(t *testing.T, r *llm.Request) gathered {
	t.Helper()
	g := p.ask(t, r)
	require.Empty(t, g.refused)
	for i, why := range g.errs {
		require.Empty(t, why, "call %d", i)
	}
	return g
}
