package hub_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/hub"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// What the service does with all this is tested there (services/environment/hubs); here a fake one answers.

func TestMain(m *testing.M) { natstest.VerifyMain(m) }

var _ hub.Client = (*agent.Client)(nil)

type client struct{ nc *nats.Conn }

func (c client) Conn() *nats.Conn { return c.nc }

func (client) Run() string { return "r" }

type call struct {
	verb string
	wire.Request
}

// answering has a service that answers the n-th call (from 0) with what answer returns. Calls come out of the channel.
func answering(t *testing.T, nc *nats.Conn, answer func(n int, verb string) (any, error)) <-chan call {
	t.Helper()
	calls := make(chan call, 100)
	n := 0
	_, err := nc.Subscribe(subjects.AnyRunHubCall(), func(m *nats.Msg) {
		r, err := wire.Read(m)
		_, _, verb, bad := subjects.ParseHubCall(m.Subject)
		if err != nil || bad != nil {
			t.Errorf("%s: %v %v", m.Subject, err, bad)
		}
		calls <- call{verb, r}
		content, failure := answer(n, verb)
		n++
		c, err := msg.Data(content)
		if err != nil {
			t.Error(err)
		}
		_ = wire.Answer(nc, m, r.Encoding, "hub", msg.Msg{Content: c}, failure)
	})
	require.NoError(t, err)
	require.NoError(t, nc.Flush())
	return calls
}

func TestARequestIsRepeatedUnderItsID(t *testing.T) {
	srv := natstest.Start(t)
	c := client{srv.Connect(t)}
	opened := make(chan error, 1)
	var h *hub.Hub
	go func() { // before there is a service
		var err error
		h, err = hub.Open(t.Context(), c, "square", msg.Msg{Content: msg.Text("hello")})
		opened <- err
	}()
	calls := answering(t, srv.Connect(t), func(n int, verb string) (any, error) {
		switch {
		case verb == "create" || n%2 == 0:
			return map[string]any{"seq": []int{n}}, nil
		case verb == "close":
			return nil, wire.ErrNoHub
		}
		return nil, wire.ErrStopped
	})
	require.NoError(t, <-opened)
	made := <-calls
	require.Equal(t, "create", made.verb)
	require.Contains(t, made.Msgs[0].Content.String(), `"content":"hello"`)

	ann := subjects.CodeAddress("h", "ann")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	seqs, err := h.As(ann).Broadcast(ctx, msg.Msg{Content: msg.Text("x")})
	require.NoError(t, err)
	require.Equal(t, []uint64{2}, seqs)
	first, again := <-calls, <-calls
	require.Equal(t, first, again)
	require.NotEmpty(t, first.ID)
	require.NotEqual(t, made.ID, first.ID)
	require.Equal(t, ann, first.Sender)
	end, _ := ctx.Deadline()
	require.WithinDuration(t, end, first.Deadline, time.Second)
	require.ErrorIs(t, h.Close(t.Context()), hub.ErrNoHub)
}

func TestManyAreSplit(t *testing.T) {
	srv := natstest.Start(t)
	c := client{srv.Connect(t)}
	calls := answering(t, srv.Connect(t), func(n int, _ string) (any, error) { return map[string]any{"seq": []int{n, n}}, nil })
	h, err := hub.Open(t.Context(), c, "h")
	require.NoError(t, err)
	<-calls
	all := make([]subjects.Address, 2500)
	for i := range all {
		all[i] = subjects.CodeAddress("h", fmt.Sprint(i))
	}
	seqs, err := h.Delete(t.Context(), all...)
	require.NoError(t, err)
	require.Equal(t, []uint64{1, 1, 2, 2, 3, 3}, seqs)
	var got []subjects.Address
	for range 3 {
		var args struct{ Addresses []subjects.Address }
		require.NoError(t, (<-calls).Msgs[0].Content.Decode(&args))
		got = append(got, args.Addresses...)
	}
	require.Equal(t, all, got)
	_, err = h.Announce(t.Context(), make([]msg.Msg, 1001)...)
	require.ErrorIs(t, err, hub.ErrTooLarge)
	_, err = hub.Open(t.Context(), c, "h", msg.Msg{}, msg.Msg{})
	require.ErrorIs(t, err, hub.ErrBadRequest)
	require.Empty(t, calls, "what is refused here asks nobody")
}

func TestWhoWaitsLeavesItsPlace(t *testing.T) {
	srv := natstest.Start(t)
	answering(t, srv.Connect(t), func(int, string) (any, error) { return map[string]any{"seq": []int{1}}, nil })
	left, back := 0, 0
	ctx := wire.WithPause(t.Context(), func() func() { left++; return func() { back++ } })
	_, err := hub.Open(ctx, client{srv.Connect(t)}, "h")
	require.NoError(t, err)
	require.Equal(t, []int{1, 1}, []int{left, back})
}

func TestHistoryEndsWithItsError(t *testing.T) {
	srv := natstest.Start(t)
	answering(t, srv.Connect(t), func(n int, _ string) (any, error) {
		switch n {
		case 0:
			return nil, nil
		case 1:
			return map[string]any{"next": 7, "messages": []any{
				map[string]any{"seq": 7, "kind": "said", "sender": "code.h.a", "message": map[string]any{"v": 1, "content": "x"}},
			}}, nil
		}
		return nil, wire.ErrUnavailable
	})
	h, err := hub.Open(t.Context(), client{srv.Connect(t)}, "h")
	require.NoError(t, err)
	var seqs []uint64
	var last error
	for e, err := range h.History(t.Context(), 0) {
		if last = err; err == nil {
			seqs = append(seqs, e.Seq)
			require.Equal(t, "x", e.Message.Content.String())
		}
	}
	require.Equal(t, []uint64{7}, seqs)
	require.ErrorIs(t, last, hub.ErrUnavailable)
}
