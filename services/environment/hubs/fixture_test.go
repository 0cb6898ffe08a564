package hubs_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/hub"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
	"github.com/myriad-sim/myriad/services/environment/hubs"
)

func TestMain(m *testing.M) { natstest.VerifyMain(m) }

// client reaches the hubs of a run.
type client struct {
	nc  *nats.Conn
	run string
}

func (c client) Conn() *nats.Conn { return c.nc }

func (c client) Run() string { return c.run }

// start starts a server on a connection of its own, which is stopped at the end of the test.
func start(t testing.TB, srv *natstest.Server) (*hubs.Server, *nats.Conn) {
	t.Helper()
	nc := srv.Connect(t)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	s := hubs.New(nc, js, natstest.Logger(t))
	require.NoError(t, s.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, s.Stop(context.Background())) })
	return s, nc
}

// serve starts a server of which only the connection is of interest.
func serve(t testing.TB, srv *natstest.Server) *nats.Conn {
	t.Helper()
	_, nc := start(t, srv)
	return nc
}

// open opens a hub with participants code.h.p0, code.h.p1 …
func open(t testing.TB, c client, name string, participants int) (*hub.Hub, []subjects.Address) {
	t.Helper()
	h, err := hub.Open(t.Context(), c, name)
	require.NoError(t, err)
	all := make([]subjects.Address, participants)
	for i := range all {
		all[i] = subjects.CodeAddress("h", fmt.Sprint("p", i))
	}
	_, err = h.Add(t.Context(), all...)
	require.NoError(t, err)
	return h, all
}

func text(s string) msg.Msg { return msg.Msg{Content: msg.Text(s)} }

// stream reads a hub's messages and announcements as every host does.
func stream(t testing.TB, js jetstream.JetStream, run, name string) (seqs []uint64, texts []string) {
	t.Helper()
	err := runlog.ReadStream(t.Context(), js, subjects.StreamHub, 0, []string{subjects.HubSaid(run, name)}, func(e runlog.Entry) error {
		m, err := msg.Msgpack.Decode(e.Data)
		if err != nil {
			return err
		}
		if m.Content.Kind() == msg.KindText {
			seqs, texts = append(seqs, e.Seq), append(texts, m.Content.String())
		}
		return nil
	})
	require.NoError(t, err)
	return seqs, texts
}

// history reads the same by the verb.
func history(t testing.TB, h *hub.Hub, after uint64) (seqs []uint64, texts []string) {
	t.Helper()
	for e, err := range h.History(t.Context(), after) {
		require.NoError(t, err)
		if e.Kind == subjects.SaidMessage || e.Kind == subjects.SaidAnnouncement {
			seqs, texts = append(seqs, e.Seq), append(texts, e.Message.Content.String())
		}
	}
	return seqs, texts
}

// request asks a verb, again under the same id if there is no answer: one of the servers may have been killed.
func request(t testing.TB, nc *nats.Conn, name, verb, id string, sender subjects.Address, in ...msg.Msg) ([]uint64, error) {
	t.Helper()
	for range 10 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		out, err := wire.Ask(ctx, nc, subjects.HubCall("r", name, verb), wire.Request{Msgs: in, ID: id, Sender: sender})
		cancel()
		if errors.Is(err, context.DeadlineExceeded) && id != "" {
			continue
		}
		if err != nil {
			return nil, err
		}
		var reply struct{ Seq []uint64 }
		require.NoError(t, out.Content.Decode(&reply))
		return reply.Seq, nil
	}
	return nil, context.DeadlineExceeded
}
