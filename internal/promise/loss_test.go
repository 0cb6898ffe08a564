package promise_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/promise"
	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// soon is by when every waiter has to know that a producer is lost, with room for a busy machine.
const soon = 3 * time.Second

// taker is a program that takes requests for the placeholders of an incarnation and does with them what the test says.
func taker(t *testing.T, nc *nats.Conn, incarnation string) *nats.Subscription {
	t.Helper()
	sub, err := nc.SubscribeSync(subjects.AnyRunTask(incarnation))
	require.NoError(t, err)
	require.NoError(t, nc.Flush())
	return sub
}

func of(incarnation, id string) msg.Msg {
	return msg.Promise("x", msg.Placeholder{Run: "r", Producer: incarnation, ID: id})
}

func next(t *testing.T, sub *nats.Subscription) *nats.Msg {
	t.Helper()
	m, err := sub.NextMsg(long)
	require.NoError(t, err)
	return m
}

func TestEveryWaiterLearnsThatTheProducerIsGone(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	var holders []*promise.Holder
	for range 3 {
		holders = append(holders, holder(t, s.Connect(t)))
	}
	for _, c := range []struct {
		name string
		end  func(*promise.Producer, *nats.Conn)
	}{
		{"killed", func(_ *promise.Producer, nc *nats.Conn) { nc.Close() }},
		{"closed", func(p *promise.Producer, _ *nats.Conn) { p.Close() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			nc := s.Connect(t)
			p := producer(t, nc, c.name, generous)
			var promises []msg.Msg
			var tasks []*promise.Task
			for range 300 {
				m, task := begin(t, p)
				promises, tasks = append(promises, m), append(tasks, task)
			}
			var waiting []<-chan result
			for _, h := range holders {
				waiting = append(waiting, resolve(t.Context(), h, 1, promises...))
			}
			for _, task := range tasks {
				require.Eventually(t, func() bool { return task.Asked() == len(holders) }, long, time.Millisecond)
			}
			killed := time.Now()
			c.end(p, nc)
			for _, results := range waiting {
				for range promises {
					requireResult(t, results, soon, requireError(t, wire.ErrProducerLost))
				}
			}
			require.Less(t, time.Since(killed), soon)
		})
	}
}

func TestAProducerThatHangsIsLostAndOneThatWorksIsNot(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	h, nc := holder(t, s.Connect(t)), s.Connect(t)
	p := producer(t, s.Connect(t), "works", generous)
	m, task := begin(t, p)
	requests := taker(t, nc, "hangs")
	started := time.Now()
	slow := resolve(t.Context(), h, 1, m)
	waiting := resolve(t.Context(), h, 1, of("hangs", "1"))
	require.NoError(t, nc.Publish(subjects.Alive("hangs"), nil))
	next(t, requests)
	next(t, requests) // asked again after a time of silence
	require.GreaterOrEqual(t, time.Since(started), promise.AskAgain*3/4)
	requireResult(t, waiting, soon, requireError(t, wire.ErrProducerLost))
	require.GreaterOrEqual(t, time.Since(started), promise.LostAfter*3/4)
	require.Empty(t, slow, "a wait has no end while the producer lives")
	task.Finish(text("at last"), nil)
	requireResult(t, slow, long, requireText(t, "at last"))
}

func TestNobodyThereIsBelievedAfterAWhile(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	h, nc := holder(t, s.Connect(t)), s.Connect(t)
	started := time.Now()
	waiting := resolve(t.Context(), h, 1, of("gone", "1"))
	requireResult(t, waiting, 2*promise.AskAgain, requireError(t, wire.ErrProducerLost))
	require.GreaterOrEqual(t, time.Since(started), promise.AskAgain/2, "it could have been on its way back")
	_, err := h.Resolve(t.Context(), of("gone", "2"))
	require.ErrorIs(t, err, wire.ErrProducerLost, "and then at once")

	waiting = resolve(t.Context(), h, 1, of("back", "1"))
	require.Eventually(t, func() bool { return nc.NumSubscriptions() == 0 && h.Waits() == 1 }, long, time.Millisecond)
	p := producer(t, nc, "new", generous)
	p.Restore("r", "back", "1", text("in time"), nil)
	require.NoError(t, p.Adopt("back"))
	requireResult(t, waiting, long, requireText(t, "in time"))
}

func TestWhatWasLostOnTheWayIsAskedForAgain(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	mine, nc := s.Connect(t), s.Connect(t)
	h := holder(t, mine)
	requests := taker(t, nc, "i1")
	waiting := resolve(t.Context(), h, 1, of("i1", "1"))
	first := next(t, requests)
	again := func(why string) {
		// The producer is never silent, so that is not why the holder asks.
		require.Eventually(t, func() bool {
			require.NoError(t, nc.Publish(subjects.Alive("i1"), nil))
			n, _, err := requests.Pending()
			return err == nil && n > 0
		}, long, promise.BeatEvery/5, why)
		require.Equal(t, first.Reply, next(t, requests).Reply, why)
	}
	require.NoError(t, nc.Publish(subjects.Alive("i1"), []byte("back")))
	again("the producer says that its connection was away")
	require.NoError(t, mine.ForceReconnect())
	again("our own was")
	require.NoError(t, wire.Answer(nc, first, msg.Msgpack, "", text("there"), nil))
	requireResult(t, waiting, long, requireText(t, "there"))
	require.NoError(t, wire.Answer(nc, first, msg.Msgpack, "", text("twice"), nil))
}

func TestAProducerSaysThatItsConnectionWasAway(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	nc, mine := s.Connect(t), s.Connect(t)
	signs, err := nc.SubscribeSync(subjects.Alive("i1"))
	require.NoError(t, err)
	require.NoError(t, nc.Flush())
	p := producer(t, mine, "i1", generous)
	require.Empty(t, string(next(t, signs).Data), "the first comes at once")
	require.Empty(t, string(next(t, signs).Data))
	require.NoError(t, mine.ForceReconnect())
	require.Eventually(t, func() bool { return string(next(t, signs).Data) == "back" }, long, time.Millisecond)
	require.Empty(t, string(next(t, signs).Data))
	p.Close()
	require.Eventually(t, func() bool { return string(next(t, signs).Data) == "gone" }, long, time.Millisecond)
	_, _, err = p.Begin("r", time.Time{})
	require.ErrorIs(t, err, wire.ErrStopped)
}

func TestTheBrokerDiesWhileAThousandWait(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	p, h := producer(t, s.Connect(t), "i1", generous), holder(t, s.Connect(t))
	var promises []msg.Msg
	var tasks []*promise.Task
	for range 1000 {
		m, task := begin(t, p)
		promises, tasks = append(promises, m), append(tasks, task)
	}
	waiting := resolve(t.Context(), h, 1, promises...)
	other := s.Connect(t)
	requests := taker(t, other, "late")
	late := resolve(t.Context(), h, 1, of("late", "1"))
	next(t, requests)
	require.NoError(t, requests.Unsubscribe())
	require.Eventually(t, func() bool { return h.Waits() == 1001 }, long, time.Millisecond)
	s.Kill(t)
	for _, task := range tasks[:500] {
		task.Finish(text("while the broker was away"), nil)
	}
	// Longer than a producer may be silent.
	select {
	case r := <-waiting:
		require.FailNow(t, "a wait ended without a broker", "%v", r.err)
	case <-time.After(promise.LostAfter + time.Second):
	}
	s.Restart(t)
	for _, task := range tasks[500:] {
		task.Finish(text("and after"), nil)
	}
	for range promises {
		requireResult(t, waiting, long, func(r result) { require.NoError(t, r.err) })
	}
	select {
	case r := <-late:
		require.FailNow(t, "a producer has as long to come back", "%v", r.err)
	case <-time.After(promise.AskAgain * 3 / 2):
	}
	p.Restore("r", "late", "1", text("in time"), nil)
	require.NoError(t, p.Adopt("late"))
	requireResult(t, late, long, requireText(t, "in time"))
}

func TestOneRequestForAllWhoWaitHere(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	h, nc := holder(t, s.Connect(t)), s.Connect(t)
	requests := taker(t, nc, "i1")
	m := of("i1", "1")
	ctx, cancel := context.WithCancel(t.Context())
	leaving := resolve(ctx, h, 100, m)
	staying := resolve(t.Context(), h, 100, m)
	require.Eventually(t, func() bool { return h.Waiting(m) == 200 }, long, time.Millisecond)
	request := next(t, requests)
	cancel()
	for range 100 {
		requireResult(t, leaving, long, requireError(t, context.Canceled))
	}
	require.Equal(t, 100, h.Waiting(m))
	require.NoError(t, wire.Answer(nc, request, msg.Msgpack, "", text("v"), nil))
	for range 100 {
		requireResult(t, staying, long, requireText(t, "v"))
	}
	n, _, err := requests.Pending()
	require.NoError(t, err)
	require.Zero(t, n, "no second request")

	ctx, cancel = context.WithCancel(t.Context())
	leaving = resolve(ctx, h, 2, m)
	next(t, requests)
	require.Eventually(t, func() bool { return h.Waiting(m) == 2 }, long, time.Millisecond)
	cancel()
	for range 2 {
		requireResult(t, leaving, long, requireError(t, context.Canceled))
	}
	require.Zero(t, h.Waits())
	_, err = h.Resolve(ctx, m)
	require.ErrorIs(t, err, context.Canceled)
	n, _, err = requests.Pending()
	require.NoError(t, err)
	require.Zero(t, n, "who does not wait does not ask")
}

func TestAProducerIsWatchedWhileSomebodyWaits(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	mine := s.Connect(t)
	h, p := holder(t, mine), producer(t, s.Connect(t), "i1", generous)
	require.Equal(t, 1, mine.NumSubscriptions())
	var promises []msg.Msg
	var tasks []*promise.Task
	for range 10 {
		m, task := begin(t, p)
		promises, tasks = append(promises, m), append(tasks, task)
	}
	waiting := resolve(t.Context(), h, 1, promises...)
	require.Eventually(t, func() bool { return h.Waits() == 10 }, long, time.Millisecond)
	require.Equal(t, 2, mine.NumSubscriptions(), "one inbox, one producer")
	for _, task := range tasks {
		task.Finish(text("v"), nil)
	}
	for range promises {
		<-waiting
	}
	h.Linger()
	require.Eventually(t, func() bool { return mine.NumSubscriptions() == 1 }, long, 10*time.Millisecond)
}

func TestCloseEndsWaits(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	nc := s.Connect(t)
	p, h := producer(t, s.Connect(t), "i1", generous), holder(t, nc)
	m, _ := begin(t, p)
	waiting := resolve(t.Context(), h, 1, m)
	require.Eventually(t, func() bool { return h.Waits() == 1 }, long, time.Millisecond)
	h.Close()
	requireResult(t, waiting, long, requireError(t, wire.ErrStopped))
	_, err := h.Resolve(t.Context(), m)
	require.ErrorIs(t, err, wire.ErrStopped)
	require.Zero(t, nc.NumSubscriptions())

	h = holder(t, nc)
	waiting = resolve(t.Context(), h, 1, m)
	require.Eventually(t, func() bool { return h.Waits() == 1 }, long, time.Millisecond)
	nc.Close()
	requireResult(t, waiting, long, requireError(t, wire.ErrUnavailable))
	_, err = h.Resolve(t.Context(), m)
	require.ErrorIs(t, err, wire.ErrUnavailable)
}

func TestAHundredLives(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	for i := range 100 {
		p, err := promise.NewProducer(s.Connect(t), natstest.Logger(t), fmt.Sprint("i", i), generous)
		require.NoError(t, err)
		h, err := promise.NewHolder(s.Connect(t), natstest.Logger(t))
		require.NoError(t, err)
		m, task := begin(t, p)
		task.Finish(text("v"), nil)
		_, err = h.Resolve(t.Context(), m)
		require.NoError(t, err)
		h.Close()
		p.Close()
		h.Close()
		p.Close()
	}
}
