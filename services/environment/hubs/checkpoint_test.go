package hubs

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

func drawRecord(t *rapid.T, seq uint64) *record {
	who, err := about("x", member{subjects.CodeAddress("h", rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "who"))})
	require.NoError(t, err)
	return &record{
		seq: seq, data: who, sender: subjects.Address(rapid.SampledFrom([]string{"", "code.h.a"}).Draw(t, "sender")),
		id: rapid.SampledFrom([]string{"", "1", "2", "3"}).Draw(t, "id"),
		kind: rapid.SampledFrom([]string{
			subjects.SaidCreated, subjects.SaidJoined, subjects.SaidJoined, subjects.SaidLeft, subjects.SaidMessage, subjects.SaidDeleted,
		}).Draw(t, "kind"),
	}
}

// Wherever the records are cut: what is kept of the first and the rest of them give what all give.
func TestKeptAndTail(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 30).Draw(t, "records")
		cut := rapid.IntRange(1, n).Draw(t, "cut")
		var all, some state
		for i := 1; i <= n; i++ {
			r := drawRecord(t, uint64(2*i))
			all.apply(r)
			some.apply(r)
			if i == cut {
				data, err := msgpack.Marshal(some.keep())
				require.NoError(t, err)
				some, err = unkeep(some.last, data)
				require.NoError(t, err)
			}
		}
		if len(all.ids) == 0 {
			all.ids, some.ids = nil, nil
		}
		require.Equal(t, all, some)
	})
}

// A server that comes back reads what came after the checkpoint, and knows who takes part and what was asked before.
func TestComingBackReadsTheTail(t *testing.T) {
	srv := natstest.Start(t)
	start := func() *Server {
		nc := srv.Connect(t)
		js, err := jetstream.New(nc)
		require.NoError(t, err)
		s := New(nc, js, natstest.Logger(t))
		s.tailRecords = 20
		require.NoError(t, s.Start(t.Context()))
		t.Cleanup(func() { require.NoError(t, s.Stop(context.Background())) })
		return s
	}
	s := start()
	nc, ann := srv.Connect(t), subjects.CodeAddress("h", "ann")
	ask := func(verb, id string, c msg.Content) string {
		r := wire.Request{Msgs: []msg.Msg{msg.New("ann", msg.RoleUser, c)}, ID: id, Sender: ann}
		out, err := wire.Ask(t.Context(), nc, subjects.HubCall("r", "square", verb), r)
		require.NoError(t, err)
		return out.Content.String()
	}
	say := func(id string) string { return ask("broadcast", id, msg.Text(id)) }
	ask("create", "", msg.Content{})
	who, err := msg.Data(map[string]any{"addresses": []subjects.Address{ann}})
	require.NoError(t, err)
	ask("add", "", who)
	first := say("0")
	for i := range 60 {
		say(fmt.Sprint(i))
	}
	subject := subjects.HubSaid("r", "square")
	require.Eventually(t, func() bool {
		seq, err := s.checkpoints.Newest(t.Context(), subject)
		return err == nil && seq > 0
	}, 20*time.Second, 5*time.Millisecond)
	require.NoError(t, s.Stop(t.Context()))

	s = start()
	require.Equal(t, first, say("0"), "it was said before")
	s.mu.Lock()
	h := s.hubs[subject]
	s.mu.Unlock()
	require.Less(t, h.tail.Records(), 50, "of more than 60")
	require.Contains(t, h.state.in, ann)
}

// What is no state of a hub is refused, whatever it is.
func FuzzUnkeep(f *testing.F) {
	s := state{last: 9, created: 1, in: map[subjects.Address]uint64{"code.h.a": 2}}
	s.remember(&record{seq: 3, id: "id", sender: "code.h.a"})
	data, err := msgpack.Marshal(s.keep())
	require.NoError(f, err)
	f.Add(data)
	f.Add(data[:len(data)/2])
	f.Fuzz(func(t *testing.T, data []byte) {
		if got, err := unkeep(9, data); err == nil {
			_, err := msgpack.Marshal(got.keep())
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, errKept)
		}
	})
}
