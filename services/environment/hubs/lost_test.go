package hubs_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
	"github.com/myriad-sim/myriad/services/environment/hubs"
)

// lossy is a JetStream that loses every second acknowledgement of a record, and every third record.
type lossy struct {
	jetstream.JetStream
	calls atomic.Int64
}

func (l *lossy) PublishMsg(ctx context.Context, m *nats.Msg, opts ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	n := l.calls.Add(1)
	if n%3 == 0 {
		return nil, nats.ErrTimeout
	}
	ack, err := l.JetStream.PublishMsg(ctx, m, opts...)
	if n%2 == 0 {
		return nil, nats.ErrTimeout
	}
	return ack, err
}

// What became of a record whose acknowledgement was lost is found out, also when another server's record, equal to the
// byte, may have come first: nothing is said twice, and nothing is lost.
func TestLostAcknowledgements(t *testing.T) {
	srv := natstest.Start(t)
	for range 2 {
		nc := srv.Connect(t)
		js, err := jetstream.New(nc)
		require.NoError(t, err)
		s := hubs.New(nc, &lossy{JetStream: js}, natstest.Logger(t))
		require.NoError(t, s.Start(t.Context()))
		t.Cleanup(func() { require.NoError(t, s.Stop(context.Background())) })
	}
	nc := srv.Connect(t)
	h, _ := open(t, client{nc, "r"}, "h", 0)
	same := text("same")
	same.ID, same.Name, same.Time = "id", "name", time.Unix(1, 0)
	const speakers, words = 4, 20
	var want []uint64
	said := make(chan []uint64, speakers)
	for range speakers {
		go func() {
			var seqs []uint64
			for range words {
				// without a request id, by which it could be recognised
				out, err := wire.Ask(t.Context(), nc, subjects.HubCall("r", "h", "announce"), wire.Request{Msgs: []msg.Msg{same}})
				var reply struct{ Seq []uint64 }
				if err == nil {
					err = out.Content.Decode(&reply)
				}
				if err != nil || len(reply.Seq) != 1 {
					t.Errorf("%v: %v", reply.Seq, err)
				}
				seqs = append(seqs, reply.Seq...)
			}
			said <- seqs
		}()
	}
	for range speakers {
		want = append(want, <-said...)
	}
	seqs, _ := history(t, h, 0)
	require.ElementsMatch(t, want, seqs)
}
