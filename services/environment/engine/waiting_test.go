package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
	"github.com/myriad-sim/myriad/services/environment/engine/tree"
)

// Calls that the actor has not begun are counted as long as others are before them, and not forgotten after.
func TestCallsBehindOthersStayCounted(t *testing.T) {
	e := New(nil, nil, natstest.Logger(t), Config{MaxWaiting: 2})
	a := newActor(e, treeKey{"r", "w"})
	defer a.timer.Stop()
	call := func() *job { return &job{m: nats.NewMsg("s")} }
	require.NoError(t, a.push(call(), 0))
	a.take()
	require.Len(t, a.backlog, 1)
	for range 2 {
		require.NoError(t, a.push(call(), 0))
		a.take()
	}
	require.ErrorIs(t, a.push(call(), 0), wire.ErrCrowded)
	<-a.wake
	a.again()
	require.Empty(t, a.wake, "others are before them")
	a.backlog = nil
	a.again()
	require.Len(t, a.wake, 1)
	a.take()
	require.Len(t, a.backlog, 2)
}

// A group ends where its calls and what they return take much memory, though they change nothing.
func TestGroupsHoldABoundedAmount(t *testing.T) {
	e := New(nil, nil, natstest.Logger(t), Config{})
	a := newActor(e, treeKey{"r", "w"})
	defer a.timer.Stop()
	state := map[string]any{"big": string(make([]byte, maxGroupHeld/4))}
	a.tree = tree.Fixed("r", "w", "state", state, e.cfg.Kinds)
	n := 0
	for ; !a.next.full; n++ {
		require.True(t, a.one(t.Context(), &job{m: nats.NewMsg("s"), read: true, env: "w", function: "get", args: "big"}))
	}
	require.Equal(t, 4, n)
}

// The messages for a receiver that takes none are bounded: the oldest are given up, and said to be done.
func TestMessagesForOneReceiverAreBounded(t *testing.T) {
	srv := natstest.Start(t)
	c := newCourier(srv.Connect(t), natstest.Logger(t))
	c.most = 2
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	var given []int
	data, err := msg.Msgpack.Encode(msg.Msg{Content: msg.Text("hi")})
	require.NoError(t, err)
	for n := range 10 {
		c.take(ctx, parcel{
			effect: &tree.Effect{Ref: tree.Ref{Seq: 1, N: n}, To: subjects.CodeAddress("nobody", "x"), Msg: data}, run: "r", root: "w",
			done: func(r tree.Ref) {
				mu.Lock()
				defer mu.Unlock()
				given = append(given, r.N)
			},
		})
	}
	cancel()
	c.wait()
	require.GreaterOrEqual(t, len(given), 7, "one may be on its way")
	require.True(t, slices.IsSorted(given))
	require.NotContains(t, given, 8)
	require.NotContains(t, given, 9)
}

// A receiver that answers with an error has had its try, unless it says that it did nothing; so no answer can hold up what
// comes after for ever.
func TestWhatIsTriedAgain(t *testing.T) {
	for _, err := range []error{wire.ErrNobody, wire.ErrCrowded, wire.ErrStopped, wire.ErrUnavailable, wire.ErrDeadline, context.DeadlineExceeded} {
		require.False(t, final(fmt.Errorf("there: %w", err)), err)
	}
	for _, err := range []error{wire.ErrNoAgent, wire.ErrExpired, wire.ErrProducerLost, wire.ErrNoKind, wire.ErrFailed, wire.FromCode("odd", "odd")} {
		require.True(t, final(err), err)
	}
}

// Receivers that think for long hold up no others, however many they are.
func TestReceiversThatThinkHoldUpNoOthers(t *testing.T) {
	srv := natstest.Start(t)
	nc := srv.Connect(t)
	c := newCourier(srv.Connect(t), natstest.Logger(t))
	ctx, cancel := context.WithCancel(t.Context())
	defer c.wait()
	defer cancel()
	thinking, err := nc.SubscribeSync(strings.Replace(subjects.At("r", subjects.CodeAddress("h", "x"), subjects.VerbObserve), ".x.", ".*.", 1))
	require.NoError(t, err)
	require.NoError(t, nc.Flush())
	data, err := msg.Msgpack.Encode(msg.Msg{Content: msg.Text("hi")})
	require.NoError(t, err)
	send := func(name string) {
		c.take(ctx, parcel{effect: &tree.Effect{To: subjects.CodeAddress("h", name), Msg: data}, run: "r", root: "w", done: func(tree.Ref) {}})
	}
	for i := range maxOnTheWay {
		send(fmt.Sprint("slow", i))
	}
	for range maxOnTheWay {
		_, err := thinking.NextMsg(10 * time.Second)
		require.NoError(t, err)
	}
	send("quick")
	_, err = thinking.NextMsg(10 * time.Second)
	require.NoError(t, err)
}
