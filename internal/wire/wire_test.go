package wire_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

func TestMain(m *testing.M) { natstest.VerifyMain(m) }

// serve answers every request on a subject of its own and returns the subject.
func serve(t *testing.T, nc *nats.Conn, answer func(r wire.Request, err error) (msg.Msg, error)) string {
	t.Helper()
	subject := "myriad.run.r." + strings.ReplaceAll(t.Name(), "/", "-")
	sub, err := nc.Subscribe(subject, func(m *nats.Msg) {
		r, err := wire.Read(m)
		out, failure := answer(r, err)
		if err := wire.Answer(nc, m, r.Encoding, "server", out, failure); err != nil {
			t.Error(err)
		}
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, sub.Unsubscribe()) })
	require.NoError(t, nc.Flush())
	return subject
}

func TestARequestArrivesAsItWasMade(t *testing.T) {
	srv := natstest.Start(t)
	got := make(chan wire.Request, 1)
	subject := serve(t, srv.Connect(t), func(r wire.Request, err error) (msg.Msg, error) {
		got <- r
		return msg.Msg{Content: msg.Text("done")}, err
	})
	for _, e := range []msg.Encoding{msg.Msgpack, msg.JSON} {
		for _, list := range [][]msg.Msg{nil, {{Name: "a"}}, {{Name: "a"}, {Content: msg.Text("b")}}} {
			sent := wire.Request{
				Msgs: list, Encoding: e, ID: "once", Sender: subjects.CodeAddress("h", "a"),
				Chain:    []subjects.Address{subjects.CodeAddress("h", "x"), subjects.CodeAddress("h", "a")},
				Deadline: time.UnixMilli(time.Now().Add(time.Minute).UnixMilli()),
			}
			out, err := wire.Ask(t.Context(), srv.InProcess(t), subject, sent)
			require.NoError(t, err)
			require.Equal(t, msg.Text("done"), out.Content)
			require.Equal(t, sent, <-got)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := wire.Ask(ctx, srv.InProcess(t), subject, wire.Request{})
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(time.Minute), (<-got).Deadline, 10*time.Second, "the caller's deadline goes along")
}

func TestErrorsKeepWhatTheyAre(t *testing.T) {
	srv := natstest.Start(t)
	var failure atomic.Pointer[error]
	subject := serve(t, srv.Connect(t), func(wire.Request, error) (msg.Msg, error) { return msg.Msg{}, *failure.Load() })
	fail := func(err error) { failure.Store(&err) }
	nc := srv.InProcess(t)
	for _, c := range []struct{ err, want error }{
		{wire.ErrBadRequest, wire.ErrBadRequest}, {wire.ErrExpired, wire.ErrExpired}, {wire.ErrProducerLost, wire.ErrProducerLost},
		{wire.ErrCycle, wire.ErrCycle}, {wire.ErrNotIn, wire.ErrNotIn}, {errors.New("a bug"), wire.ErrFailed},
		{context.DeadlineExceeded, wire.ErrDeadline}, {msg.ErrTooLarge, wire.ErrTooLarge},
	} {
		fail(fmt.Errorf("at\nthe %w", c.err))
		for _, e := range []msg.Encoding{msg.Msgpack, msg.JSON} {
			_, err := wire.Ask(t.Context(), nc, subject, wire.Request{Encoding: e})
			require.ErrorIs(t, err, c.want)
			require.EqualError(t, err, "at the "+c.err.Error())
		}
	}
	fail(errors.New("broken: \xff"))
	m, err := nc.RequestWithContext(t.Context(), subject, nil)
	require.NoError(t, err)
	require.Equal(t, "failed", m.Header.Get(subjects.HeaderErrorCode))
	said, err := msg.Msgpack.Decode(m.Data)
	require.NoError(t, err, "people read the payload")
	require.Equal(t, m.Header.Get(subjects.HeaderError), said.Content.String())

	seen := map[string]bool{}
	for _, c := range wire.Codes() {
		require.False(t, seen[c[0]], "two errors have the code %s", c[0])
		seen[c[0]] = true
		require.Equal(t, c[0], wire.Code(wire.FromCode(c[0], "text")))
	}
	require.ErrorIs(t, wire.FromCode("of a later version", "x"), wire.ErrFailed)
}

func TestRequestsThatCannotBeRead(t *testing.T) {
	for name, m := range map[string]*nats.Msg{
		"content type": {Header: nats.Header{subjects.HeaderContentType: {"text/plain"}}},
		"payload":      {Data: []byte("{")},
		"json":         {Header: nats.Header{subjects.HeaderContentType: {"application/json"}}, Data: []byte("{")},
		"id":           {Header: nats.Header{subjects.HeaderRequestID: {strings.Repeat("x", 300)}}},
		"sender":       {Header: nats.Header{subjects.HeaderSender: {"alice"}}},
		"deadline":     {Header: nats.Header{subjects.HeaderDeadline: {"soon"}}},
		"chain":        {Header: nats.Header{subjects.HeaderChain: {strings.Repeat("x", 40<<10)}}},
	} {
		_, err := wire.Read(m)
		require.ErrorIs(t, err, wire.ErrBadRequest, name)
	}
}

func TestAskSaysWhyNothingCame(t *testing.T) {
	srv := natstest.Start(t)
	nc := srv.InProcess(t)
	_, err := wire.Ask(t.Context(), nc, "nobody.here", wire.Request{})
	require.ErrorIs(t, err, wire.ErrNobody)
	require.ErrorIs(t, err, wire.ErrUnheard)
	require.NotErrorIs(t, wire.FromCode("nobody", "on the way"), wire.ErrUnheard, "an answer is not silence")
	_, err = wire.Ask(t.Context(), nc, "nobody.here", wire.Request{Msgs: []msg.Msg{{Metadata: map[string]any{"x": nats.NewMsg}}}})
	require.ErrorIs(t, err, wire.ErrBadRequest)

	sub, err := nc.SubscribeSync("silent")
	require.NoError(t, err)
	defer func() { require.NoError(t, sub.Unsubscribe()) }()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = wire.Ask(ctx, nc, "silent", wire.Request{})
	require.ErrorIs(t, err, context.DeadlineExceeded)

	subject := serve(t, srv.Connect(t), func(wire.Request, error) (msg.Msg, error) {
		return msg.Msg{Metadata: map[string]any{"x": nats.NewMsg}}, nil
	})
	_, err = wire.Ask(t.Context(), nc, subject, wire.Request{})
	require.ErrorContains(t, err, "cannot travel", "an answer that cannot be encoded is an error there and here")
}

// A chain that has become too long loses those who wait longest.
func TestLongChainsAreCutAtTheOuterEnd(t *testing.T) {
	srv := natstest.Start(t)
	got := make(chan wire.Request, 1)
	subject := serve(t, srv.Connect(t), func(r wire.Request, err error) (msg.Msg, error) {
		got <- r
		return msg.Msg{}, err
	})
	var chain []subjects.Address
	for i := range 10_000 {
		chain = append(chain, subjects.CodeAddress("host", fmt.Sprint("agent-", i)))
	}
	_, err := wire.Ask(t.Context(), srv.InProcess(t), subject, wire.Request{Chain: chain})
	require.NoError(t, err)
	r := <-got
	require.Greater(t, len(r.Chain), 1000)
	require.Equal(t, chain[len(chain)-len(r.Chain):], r.Chain)
}

func TestWaitingLeavesThePlace(t *testing.T) {
	var steps []string
	ctx := wire.WithPause(t.Context(), func() func() {
		steps = append(steps, "leave")
		return func() { steps = append(steps, "resume") }
	})
	v, err := wire.Wait(ctx, func() (int, error) {
		steps = append(steps, "wait")
		return 7, nil
	})
	require.NoError(t, err)
	require.Equal(t, 7, v)
	require.Equal(t, []string{"leave", "wait", "resume"}, steps)
	_, err = wire.Wait(t.Context(), func() (int, error) { return 0, wire.ErrStopped })
	require.ErrorIs(t, err, wire.ErrStopped)
	chain := []subjects.Address{"code.h.a"}
	require.Equal(t, chain, wire.Chain(wire.WithChain(ctx, chain)))
	require.Empty(t, wire.Chain(ctx))
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"content":"x"}`), "application/json", "1", "code.h.a", "17")
	f.Add([]byte{0x91}, "", "", "", "")
	f.Fuzz(func(t *testing.T, data []byte, contentType, id, sender, deadline string) {
		m := &nats.Msg{Data: data, Header: nats.Header{
			subjects.HeaderContentType: {contentType}, subjects.HeaderRequestID: {id}, subjects.HeaderSender: {sender}, subjects.HeaderDeadline: {deadline},
		}}
		if _, err := wire.Read(m); err != nil {
			require.ErrorIs(t, err, wire.ErrBadRequest)
		}
	})
}
