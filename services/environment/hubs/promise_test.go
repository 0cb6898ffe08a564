package hubs_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/promise"
	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// What is promised is said when it exists, holds up nobody, and is a message in the stream. A promise that is not kept is
// an error, and nothing of what was to be said with it is said.
func TestPromisesAreSaidWhenTheyAreKept(t *testing.T) {
	srv := natstest.Start(t)
	serve(t, srv)
	c := client{srv.Connect(t), "r"}
	h, all := open(t, c, "h", 1)
	p, err := promise.NewProducer(srv.Connect(t), natstest.Logger(t), "producer", promise.Config{Keep: time.Minute, KeepBytes: 1 << 20})
	require.NoError(t, err)
	t.Cleanup(p.Close)
	promised := func() (msg.Msg, *promise.Task) {
		place, task, err := p.Begin("r", time.Time{})
		require.NoError(t, err)
		return msg.Promise("ann", place), task
	}
	kept, task := promised()
	broken, lost := promised()
	type result struct {
		seqs []uint64
		err  error
	}
	said := func(m ...msg.Msg) chan result {
		done := make(chan result, 1)
		go func() {
			seqs, err := h.As(all[0]).Broadcast(t.Context(), m...)
			done <- result{seqs, err}
		}()
		return done
	}
	good, bad := said(text("a"), kept), said(text("never"), broken)
	_, err = h.Announce(t.Context(), text("first"))
	require.NoError(t, err)
	task.Finish(text("b"), nil)
	lost.Finish(msg.Msg{}, fmt.Errorf("%w: no idea", wire.ErrFailed))
	got := <-good
	require.NoError(t, got.err)
	require.Len(t, got.seqs, 2)
	failed := <-bad
	require.ErrorIs(t, failed.err, wire.ErrFailed)
	require.ErrorContains(t, failed.err, "no idea")
	_, texts := stream(t, srv.JetStream(t), "r", "h")
	require.Equal(t, []string{"first", "a", "b"}, texts)
}

// A server that stops lets go of what waits for a promise.
func TestStopDoesNotWaitForPromises(t *testing.T) {
	srv := natstest.Start(t)
	s, _ := start(t, srv)
	c := client{srv.Connect(t), "r"}
	open(t, c, "h", 0)
	p, err := promise.NewProducer(srv.Connect(t), natstest.Logger(t), "producer", promise.Config{Keep: time.Minute, KeepBytes: 1 << 20})
	require.NoError(t, err)
	t.Cleanup(p.Close)
	place, task, err := p.Begin("r", time.Time{})
	require.NoError(t, err)
	asked, err := c.nc.SubscribeSync(subjects.AnyRunTask("producer"))
	require.NoError(t, err)
	require.NoError(t, c.nc.Flush())
	done := make(chan error, 1)
	go func() {
		in := wire.Request{Msgs: []msg.Msg{msg.Promise("ann", place)}}
		_, err := wire.Ask(t.Context(), c.nc, subjects.HubCall("r", "h", "announce"), in)
		done <- err
	}()
	js := srv.JetStream(t)
	_, err = asked.NextMsg(10 * time.Second)
	require.NoError(t, err, "the server waits for it")
	require.NoError(t, s.Stop(t.Context()))
	require.ErrorIs(t, <-done, wire.ErrStopped)
	task.Finish(text("late"), nil)
	_, texts := stream(t, js, "r", "h")
	require.Empty(t, texts)
}
