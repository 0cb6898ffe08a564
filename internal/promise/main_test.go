package promise_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/promise"
	"github.com/myriad-sim/myriad/pkg/msg"
)

func TestMain(m *testing.M) { natstest.VerifyMain(m) }

var generous = promise.Config{Keep: time.Hour, KeepBytes: 64 << 20}

func producer(t testing.TB, nc *nats.Conn, incarnation string, cfg promise.Config) *promise.Producer {
	t.Helper()
	p, err := promise.NewProducer(nc, natstest.Logger(t), incarnation, cfg)
	require.NoError(t, err)
	t.Cleanup(p.Close)
	return p
}

func holder(t testing.TB, nc *nats.Conn) *promise.Holder {
	t.Helper()
	h, err := promise.NewHolder(nc, natstest.Logger(t))
	require.NoError(t, err)
	t.Cleanup(h.Close)
	return h
}

func begin(t testing.TB, p *promise.Producer) (msg.Msg, *promise.Task) {
	t.Helper()
	ph, task, err := p.Begin("r", time.Time{})
	require.NoError(t, err)
	return msg.Promise("who", ph), task
}

func text(s string) msg.Msg { return msg.Msg{Content: msg.Text(s)} }

type result struct {
	out msg.Msg
	err error
}

// resolve waits for n times for each promise, in goroutines.
func resolve(ctx context.Context, h *promise.Holder, n int, promises ...msg.Msg) <-chan result {
	results := make(chan result, n*len(promises))
	for _, m := range promises {
		for range n {
			go func() {
				out, err := h.Resolve(ctx, m)
				results <- result{out, err}
			}()
		}
	}
	return results
}

func requireResult(t testing.TB, results <-chan result, within time.Duration, check func(result)) {
	t.Helper()
	select {
	case r := <-results:
		check(r)
	case <-time.After(within):
		require.FailNow(t, "somebody still waits")
	}
}

func requireText(t testing.TB, want string) func(result) {
	return func(r result) {
		t.Helper()
		require.NoError(t, r.err)
		require.Equal(t, want, r.out.Content.String())
	}
}

func requireError(t testing.TB, want error) func(result) {
	return func(r result) {
		t.Helper()
		require.ErrorIs(t, r.err, want)
	}
}

func requireCancelled(t testing.TB, task *promise.Task) {
	t.Helper()
	select {
	case <-task.Cancelled():
	case <-time.After(long):
		require.FailNow(t, "the work goes on")
	}
}
