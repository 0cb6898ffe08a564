package agent_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// silent is a host that takes requests and does not answer them. Pings it answers with its uptime, unless it is not one of
// ours.
type silent struct {
	nc    *nats.Conn
	began time.Time
	got   atomic.Int64
}

func startSilent(t *testing.T, srv *natstest.Server, ours bool) *silent {
	t.Helper()
	h := &silent{nc: srv.Connect(t), began: time.Now()}
	_, err := h.nc.Subscribe(subjects.CodeAll("h1"), func(m *nats.Msg) {
		if _, _, _, _, err := subjects.ParseCode(m.Subject); err != nil {
			_ = wire.Answer(h.nc, m, msg.JSON, "h1", msg.Msg{}, wire.ErrBadRequest)
			return
		}
		h.got.Add(1)
	})
	require.NoError(t, err)
	if ours {
		_, err = h.nc.Subscribe(subjects.HostAll("h1"), func(m *nats.Msg) {
			content, _ := msg.Data(map[string]any{"uptime": time.Since(h.began).Milliseconds()})
			_ = wire.Answer(h.nc, m, msg.Msgpack, "h1", msg.Msg{Content: content}, nil)
		})
		require.NoError(t, err)
	}
	require.NoError(t, h.nc.Flush())
	return h
}

// ask asks an agent of the silent host, and returns where its error will be.
func (h *silent) ask(t *testing.T, srv *natstest.Server) chan error {
	t.Helper()
	c, err := agent.NewClient(srv.Connect(t), "r1", natstest.Logger(t))
	require.NoError(t, err)
	t.Cleanup(c.Close)
	got := make(chan error, 1)
	before := h.got.Load()
	go func() {
		_, err := c.Reply(t.Context(), subjects.CodeAddress("h1", "a"))
		got <- err
	}()
	require.Eventually(t, func() bool { return h.got.Load() > before }, 10*time.Second, time.Millisecond)
	return got
}

func within(t *testing.T, got chan error, most time.Duration) error {
	t.Helper()
	select {
	case err := <-got:
		return err
	case <-time.After(most):
		require.FailNow(t, "it is still waited for")
		return nil
	}
}

// Who waits for an answer hears so when there is nobody left to give it, without a deadline of its own. Who only thinks is
// waited for.
func TestNobodyWaitsForTheDead(t *testing.T) {
	for _, ours := range []bool{true, false} {
		t.Run(map[bool]string{true: "ours", false: "in another language"}[ours], func(t *testing.T) {
			t.Parallel()
			srv := natstest.Start(t)
			h := startSilent(t, srv, ours)
			got := h.ask(t, srv)
			require.Never(t, func() bool { return len(got) > 0 }, 4*time.Second, 50*time.Millisecond, "it thinks")
			h.nc.Close()
			require.ErrorIs(t, within(t, got, 20*time.Second), agent.ErrProducerLost)
		})
	}
}

func TestNobodyWaitsForAFormerLife(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	h := startSilent(t, srv, true)
	got := h.ask(t, srv)
	h.nc.Close()
	require.Never(t, func() bool { return len(got) > 0 }, 100*time.Millisecond, 10*time.Millisecond, "as long as a program takes to start")
	startSilent(t, srv, true)
	require.ErrorIs(t, within(t, got, 20*time.Second), agent.ErrProducerLost)
}

// A broker that goes away may take the request with it.
func TestNobodyWaitsForWhatTheBrokerLost(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	h := startSilent(t, srv, true)
	got := h.ask(t, srv)
	require.Never(t, func() bool { return len(got) > 0 }, 1500*time.Millisecond, 50*time.Millisecond)
	srv.Kill(t)
	srv.Restart(t)
	err := within(t, got, 40*time.Second)
	require.ErrorIs(t, err, agent.ErrUnavailable)
	require.ErrorContains(t, err, "not known")
}
