package promise_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/promise"
	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

const long = 20 * time.Second

func TestManyHoldersGetTheMessageWhenItExistsAndLater(t *testing.T) {
	s := natstest.Start(t)
	p := producer(t, s.Connect(t), "i1", generous)
	m, task := begin(t, p)
	var waiting []<-chan result
	for range 3 {
		waiting = append(waiting, resolve(t.Context(), holder(t, s.Connect(t)), 100, m))
	}
	task.Finish(text("hello"), nil)
	task.Finish(text("again"), nil)
	for _, results := range waiting {
		for range 100 {
			requireResult(t, results, long, requireText(t, "hello"))
		}
	}
	late, err := holder(t, s.Connect(t)).Resolve(t.Context(), m)
	requireText(t, "hello")(result{late, err})
	select {
	case <-task.Cancelled():
		require.FailNow(t, "a finished task is not cancelled")
	default:
	}
}

func TestAMessageThatIsNoPromiseComesBack(t *testing.T) {
	h := holder(t, natstest.Start(t).Connect(t))
	m := msg.New("a", msg.RoleUser, msg.Text("x"))
	out, err := h.Resolve(t.Context(), m)
	require.NoError(t, err)
	require.Equal(t, m, out)
	require.NoError(t, h.Cancel(t.Context(), m))
}

func TestErrorsKeepTheirIdentity(t *testing.T) {
	s := natstest.Start(t)
	p, h := producer(t, s.Connect(t), "i1", generous), holder(t, s.Connect(t))
	for _, c := range []struct{ give, want error }{
		{wire.ErrCrowded, wire.ErrCrowded}, {errors.New("the code said no"), wire.ErrFailed}, {context.DeadlineExceeded, wire.ErrDeadline},
	} {
		m, task := begin(t, p)
		task.Finish(msg.Msg{}, c.give)
		_, err := h.Resolve(t.Context(), m)
		require.ErrorIs(t, err, c.want)
		require.ErrorContains(t, err, c.give.Error())
	}
	m, task := begin(t, p)
	task.Finish(msg.Msg{}, errors.New(strings.Repeat("long ", 1<<20)))
	_, err := h.Resolve(t.Context(), m)
	require.ErrorIs(t, err, wire.ErrFailed)
	require.Less(t, len(err.Error()), 10<<10, "what an error quotes is cut")
}

func TestAnswersComeInTheEncodingOfTheRequest(t *testing.T) {
	s := natstest.Start(t)
	nc := s.Connect(t)
	p := producer(t, s.Connect(t), "i1", generous)
	m, task := begin(t, p)
	ask := func(m msg.Msg) *nats.Msg {
		r := nats.NewMsg(subjects.Task(m.Placeholder.Run, m.Placeholder.Producer, m.Placeholder.ID))
		r.Header.Set(subjects.HeaderContentType, msg.ContentJSON)
		out, err := nc.RequestMsg(r, long)
		require.NoError(t, err)
		require.Equal(t, msg.ContentJSON, out.Header.Get(subjects.HeaderContentType))
		return out
	}
	task.Finish(text("hello"), nil)
	require.Contains(t, string(ask(m).Data), `"content":"hello"`)

	m, task = begin(t, p)
	task.Finish(msg.Msg{}, wire.ErrCrowded)
	out := ask(m)
	require.Contains(t, string(out.Data), wire.ErrCrowded.Error())
	require.Equal(t, "crowded", out.Header.Get(subjects.HeaderErrorCode))
}

func TestWhatWasDroppedIsExpired(t *testing.T) {
	s := natstest.Start(t)
	h := holder(t, s.Connect(t))
	t.Run("for its size, the oldest first", func(t *testing.T) {
		p := producer(t, s.Connect(t), "i1", promise.Config{Keep: time.Hour, KeepBytes: 100 << 10})
		var all []msg.Msg
		for range 20 {
			m, task := begin(t, p)
			task.Finish(text(strings.Repeat("x", 10<<10)), nil)
			all = append(all, m)
		}
		for i, m := range all {
			_, err := h.Resolve(t.Context(), m)
			if i < 11 {
				require.ErrorIs(t, err, wire.ErrExpired, "%d", i)
			} else {
				require.NoError(t, err, "%d", i)
			}
		}
	})
	t.Run("for its age", func(t *testing.T) {
		p := producer(t, s.Connect(t), "i2", promise.Config{Keep: time.Millisecond, KeepBytes: 1 << 20})
		m, task := begin(t, p)
		unfinished, _ := begin(t, p)
		waiting := resolve(t.Context(), h, 1, m)
		task.Finish(text("x"), nil)
		<-waiting
		require.Eventually(t, func() bool {
			_, err := h.Resolve(t.Context(), m)
			return errors.Is(err, wire.ErrExpired)
		}, long, 50*time.Millisecond)
		require.NoError(t, h.Cancel(t.Context(), unfinished), "what is not finished is not dropped")
	})
}

func TestWhatNeverWasIsABadRequest(t *testing.T) {
	s := natstest.Start(t)
	nc := s.Connect(t)
	p, h := producer(t, s.Connect(t), "i1", generous), holder(t, nc)
	m, _ := begin(t, p)
	for _, ph := range []msg.Placeholder{
		{Run: "r", Producer: "i1", ID: "2-AAAA"}, {Run: "r", Producer: "i1", ID: "0-AAAA"}, {Run: "r", Producer: "i1", ID: "x"},
		{Run: "r", Producer: "i1", ID: strings.Repeat("x", 10_000)}, // would end the connection
		{Run: "other", Producer: "i1", ID: m.Placeholder.ID},
	} {
		_, err := h.Resolve(t.Context(), msg.Promise("x", ph))
		require.ErrorIs(t, err, wire.ErrBadRequest)
	}
	require.Zero(t, nc.Stats().Reconnects)
	_, _, err := p.Begin("", time.Time{})
	require.ErrorIs(t, err, wire.ErrBadRequest)
}

func TestATaskEndsAtItsDeadline(t *testing.T) {
	s := natstest.Start(t)
	p, h := producer(t, s.Connect(t), "i1", generous), holder(t, s.Connect(t))
	end := time.Now().Add(50 * time.Millisecond)
	ph, task, err := p.Begin("r", end)
	require.NoError(t, err)
	require.Equal(t, end.Add(generous.Keep), ph.Expires)
	_, err = h.Resolve(t.Context(), msg.Promise("x", ph))
	require.ErrorIs(t, err, wire.ErrDeadline)
	requireCancelled(t, task)
	task.Finish(text("too late"), nil)
	_, err = h.Resolve(t.Context(), msg.Promise("x", ph))
	require.ErrorIs(t, err, wire.ErrDeadline)
}

func TestAPlaceholderThatExpiredIsNotAskedFor(t *testing.T) {
	s := natstest.Start(t)
	nc := s.Connect(t)
	p, h := producer(t, s.Connect(t), "i1", generous), holder(t, s.Connect(t))
	asked, err := nc.SubscribeSync(subjects.AnyRunTask("i1"))
	require.NoError(t, err)
	require.NoError(t, nc.Flush())

	m, task := begin(t, p)
	task.Finish(text("kept"), nil)
	m.Placeholder.Expires = time.Now().Add(-promise.ClockSkew / 2)
	out, err := h.Resolve(t.Context(), m)
	requireText(t, "kept")(result{out, err})
	_, err = asked.NextMsg(long)
	require.NoError(t, err)

	m.Placeholder.Expires = time.Now().Add(-2 * promise.ClockSkew)
	_, err = h.Resolve(t.Context(), m)
	require.ErrorIs(t, err, wire.ErrExpired)
	require.NoError(t, nc.Flush())
	_, err = asked.NextMsg(10 * time.Millisecond)
	require.ErrorIs(t, err, nats.ErrTimeout)
}

func TestCancel(t *testing.T) {
	s := natstest.Start(t)
	p, h := producer(t, s.Connect(t), "i1", generous), holder(t, s.Connect(t))
	other := holder(t, s.Connect(t))

	m, task := begin(t, p)
	waiting := resolve(t.Context(), h, 10, m)
	require.NoError(t, other.Cancel(t.Context(), m))
	requireCancelled(t, task)
	task.Finish(text("too late"), nil)
	for range 10 {
		requireResult(t, waiting, long, requireError(t, wire.ErrCancelled))
	}
	require.NoError(t, h.Cancel(t.Context(), m), "twice is harmless")

	done, task := begin(t, p)
	task.Finish(text("done"), nil)
	require.NoError(t, h.Cancel(t.Context(), done))
	out, err := h.Resolve(t.Context(), done)
	requireText(t, "done")(result{out, err})

	outer, task := begin(t, p)
	inner, work := begin(t, p)
	task.Finish(inner, nil)
	waiting = resolve(t.Context(), h, 1, outer)
	require.NoError(t, h.Cancel(t.Context(), outer))
	requireCancelled(t, work)
	requireResult(t, waiting, long, requireError(t, wire.ErrCancelled))

	nobody := msg.Promise("x", msg.Placeholder{Run: "r", Producer: "nobody", ID: "1-x"})
	require.ErrorIs(t, h.Cancel(t.Context(), nobody), wire.ErrProducerLost)
	never := msg.Promise("x", msg.Placeholder{Run: "r", Producer: "i1", ID: "zz-x"})
	require.ErrorIs(t, h.Cancel(t.Context(), never), wire.ErrBadRequest)
}

func TestFormerLives(t *testing.T) {
	s := natstest.Start(t)
	p, h := producer(t, s.Connect(t), "new", generous), holder(t, s.Connect(t))
	p.Restore("r", "old", "1-a", text("logged"), nil)
	p.Restore("r", "old", "2-b", msg.Msg{}, wire.ErrNoAgent)
	require.NoError(t, p.Adopt("old"))
	old := func(id string) msg.Msg {
		return msg.Promise("x", msg.Placeholder{Run: "r", Producer: "old", ID: id})
	}
	out, err := h.Resolve(t.Context(), old("1-a"))
	requireText(t, "logged")(result{out, err})
	_, err = h.Resolve(t.Context(), old("2-b"))
	require.ErrorIs(t, err, wire.ErrNoAgent)
	_, err = h.Resolve(t.Context(), old("3-c"))
	require.ErrorIs(t, err, wire.ErrProducerLost)
	require.NoError(t, h.Cancel(t.Context(), old("1-a")))
	require.ErrorIs(t, h.Cancel(t.Context(), old("3-c")), wire.ErrProducerLost)
}

func TestAnAnswerThatCannotTravelIsAnError(t *testing.T) {
	small, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, MaxPayload: 64 << 10, NoSigs: true})
	require.NoError(t, err)
	small.Start()
	t.Cleanup(func() {
		small.Shutdown()
		small.WaitForShutdown()
	})
	require.True(t, small.ReadyForConnections(long))
	nc, err := nats.Connect(small.ClientURL())
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	p, h := producer(t, nc, "i1", generous), holder(t, nc)
	for _, c := range []struct {
		out  msg.Msg
		want error
	}{
		{text(strings.Repeat("x", 2*msg.MaxSize)), wire.ErrTooLarge},
		{text(strings.Repeat("x", 64<<10-30)), wire.ErrTooLarge}, // fits the payload, but not with its headers
		{msg.Msg{Role: "king"}, wire.ErrFailed},
	} {
		m, task := begin(t, p)
		waiting := resolve(t.Context(), h, 1, m)
		task.Finish(c.out, nil)
		requireResult(t, waiting, long, requireError(t, c.want))
	}
}

func TestPromisesOfPromises(t *testing.T) {
	s := natstest.Start(t)
	p, h := producer(t, s.Connect(t), "i1", generous), holder(t, s.Connect(t))
	a, taskA := begin(t, p)
	b, taskB := begin(t, p)
	c, taskC := begin(t, p)
	taskA.Finish(b, nil)
	waiting := resolve(t.Context(), h, 3, a, b)
	taskB.Finish(c, nil)
	taskC.Finish(text("end"), nil)
	for range 6 {
		requireResult(t, waiting, long, requireText(t, "end"))
	}

	a, taskA = begin(t, p)
	b, taskB = begin(t, p)
	taskA.Finish(b, nil)
	taskB.Finish(a, nil)
	self, task := begin(t, p)
	task.Finish(self, nil)
	for _, m := range []msg.Msg{a, b, self} {
		_, err := h.Resolve(t.Context(), m)
		require.ErrorIs(t, err, wire.ErrCycle)
		require.ErrorIs(t, h.Cancel(t.Context(), m), wire.ErrCycle)
	}
}
