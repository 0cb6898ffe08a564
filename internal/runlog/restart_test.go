package runlog

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// back waits until the broker takes records again.
func back(t testing.TB, js jetstream.JetStream) {
	t.Helper()
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := js.Stream(ctx, subjects.StreamLog)
		return err == nil
	}, waitFor, pollEvery)
}

func TestFollowSurvivesRestarts(t *testing.T) {
	srv := natstest.Start(t)
	tcp, err := jetstream.New(srv.Connect(t))
	require.NoError(t, err)
	js := srv.JetStream(t)
	var want []uint64
	add := func(n int) {
		for range n {
			want = append(want, publish(t, js, subjects.LogAnswer("r1", 0), fmt.Sprint(len(want))))
		}
	}
	add(300)
	both := []*following{follow(t, js, 0, RunSubjects("r1")...), follow(t, tcp, 0, RunSubjects("r1")...)}
	for i := range 3 {
		if i > 0 { // the first time in the middle of catching up
			for _, f := range both {
				require.Eventually(t, func() bool { return f.count() == len(want) }, waitFor, pollEvery)
			}
		}
		srv.Restart(t)
		back(t, js)
		add(100)
	}
	for _, f := range both {
		require.Eventually(t, func() bool { return f.count() >= len(want) }, waitFor, pollEvery)
		f.stop(t)
		require.Equal(t, want, f.seqs, "no gap, no repeat")
		require.Len(t, f.caught, 1)
		require.GreaterOrEqual(t, f.caught[0], 300)
	}
	noConsumers(t, js)
}

// A service must be able to stop while the broker is away.
func TestFollowEndsDuringAnOutage(t *testing.T) {
	srv := natstest.Start(t)
	js := srv.JetStream(t)
	publish(t, js, subjects.LogAnswer("r1", 0), "x")
	f := follow(t, js, 0, subjects.LogAll("r1"))
	require.Eventually(t, func() bool { return f.count() == 1 }, waitFor, pollEvery)
	srv.Kill(t)
	require.Eventually(t, func() bool { return !js.Conn().IsConnected() }, waitFor, pollEvery)
	started := follow(t, js, 0, subjects.LogAll("r1"))
	begun := time.Now()
	f.stop(t)
	started.stop(t)
	require.Less(t, time.Since(begun), 2*time.Second)
	require.Zero(t, started.count())
}

func TestAReadThatBeginsInAnOutageWaitsForItsEnd(t *testing.T) {
	srv := natstest.Start(t)
	js := srv.JetStream(t)
	publish(t, js, subjects.LogAnswer("r1", 0), "x")
	srv.Kill(t)
	require.Eventually(t, func() bool { return !js.Conn().IsConnected() }, waitFor, pollEvery)
	f := follow(t, js, 0, subjects.LogAll("r1"))
	srv.Restart(t)
	require.Eventually(t, func() bool { return f.count() == 1 }, waitFor, pollEvery)
	f.stop(t)
}

func TestFollowSurvivesTheLossOfItsConsumer(t *testing.T) {
	js := natstest.Start(t).JetStream(t)
	first := publish(t, js, subjects.LogAnswer("r1", 0), "x")
	f := follow(t, js, 0, subjects.LogAll("r1"))
	for i := range 3 {
		require.Eventually(t, func() bool { return f.count() == i+1 }, waitFor, pollEvery)
		s, err := js.Stream(t.Context(), subjects.StreamLog)
		require.NoError(t, err)
		for name := range s.ConsumerNames(t.Context()).Name() {
			require.NoError(t, s.DeleteConsumer(t.Context(), name))
		}
		publish(t, js, subjects.LogAnswer("r1", 0), "x")
	}
	require.Eventually(t, func() bool { return f.count() == 4 }, waitFor, pollEvery)
	f.stop(t)
	require.Equal(t, []uint64{first, first + 1, first + 2, first + 3}, f.seqs)
	require.Len(t, f.caught, 1)
}

// A broker that comes back without the log must not leave its readers waiting for ever.
func TestFollowNoticesThatTheLogWasReplaced(t *testing.T) {
	js := natstest.Start(t).JetStream(t)
	publish(t, js, subjects.LogAnswer("r1", 0), "x")
	f := follow(t, js, 0, subjects.LogAll("r1"))
	require.Eventually(t, func() bool { return f.count() == 1 }, waitFor, pollEvery)
	var err error
	require.Eventually(t, func() bool { // it may look between the two, and find none
		require.NoError(t, js.DeleteStream(t.Context(), subjects.StreamLog))
		require.NoError(t, bus.Provision(t.Context(), js, bus.Options{MaxBytes: 1 << 20}))
		select {
		case err = <-f.err:
			return true
		case <-time.After(time.Second):
			return false
		}
	}, waitFor, pollEvery)
	f.cancel()
	require.Error(t, err)
	require.True(t, errors.Is(err, ErrReplaced) || errors.Is(err, jetstream.ErrStreamNotFound), "%v", err)
}

func TestReaderRefusesAnotherStream(t *testing.T) {
	js := natstest.Start(t).JetStream(t)
	publish(t, js, subjects.LogAnswer("r1", 0), "x")
	s, err := js.Stream(t.Context(), subjects.StreamLog)
	require.NoError(t, err)
	for name, r := range map[string]*reader{
		"made anew":    {created: s.CachedInfo().Created.Add(-time.Hour), read: 1, next: 2},
		"lost records": {created: s.CachedInfo().Created, read: 2, next: 3},
	} {
		r.js, r.stream, r.filters = js, subjects.StreamLog, []string{subjects.LogAll("r1")}
		_, err = r.consumer(t.Context())
		require.ErrorIs(t, err, ErrReplaced, name)
	}
	noConsumers(t, js)
}

func TestTheSessionEndsWithTheConnection(t *testing.T) {
	srv := natstest.Start(t)
	ctx, end := untilDisconnected(t.Context(), srv.InProcess(t))
	require.NoError(t, ctx.Err())
	srv.Kill(t)
	select {
	case <-ctx.Done():
	case <-time.After(waitFor):
		t.Fatal("the session goes on without a connection")
	}
	end()
	require.NoError(t, t.Context().Err())
}

// A log that grows faster than it is read never has nothing pending.
func TestCaughtUpComesBeforeWhatIsNew(t *testing.T) {
	var order []string
	r := &reader{
		upto:     5,
		caughtUp: func() error { order = append(order, "caught up"); return nil },
		fn:       func(e Entry) error { order = append(order, fmt.Sprint(e.Seq)); return nil },
	}
	require.NoError(t, r.deliver(Entry{Seq: 4}, 2))
	require.NoError(t, r.deliver(Entry{Seq: 6}, 2))
	require.NoError(t, r.deliver(Entry{Seq: 7}, 0))
	require.Equal(t, []string{"4", "caught up", "6", "7"}, order)
}
