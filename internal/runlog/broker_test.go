package runlog

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

const waitFor, pollEvery = 20 * time.Second, 5 * time.Millisecond

// publish appends a plain record and returns its sequence.
func publish(t testing.TB, js jetstream.JetStream, subject string, data string) uint64 {
	t.Helper()
	ack, err := js.Publish(t.Context(), subject, []byte(data))
	require.NoError(t, err)
	return ack.Sequence
}

// consumers is how many consumers the log has.
func consumers(t testing.TB, js jetstream.JetStream) int {
	t.Helper()
	s, err := js.Stream(t.Context(), subjects.StreamLog)
	require.NoError(t, err)
	return s.CachedInfo().State.Consumers
}

func noConsumers(t testing.TB, js jetstream.JetStream) {
	t.Helper()
	require.Eventually(t, func() bool { return consumers(t, js) == 0 }, waitFor, pollEvery, "consumers are limited")
}

// following is a Follow in the background and what it has delivered.
type following struct {
	mu     sync.Mutex
	seqs   []uint64
	data   []string
	caught []int // number of records delivered at each call of caughtUp
	cancel context.CancelFunc
	err    chan error
}

func follow(t testing.TB, js jetstream.JetStream, start uint64, filters ...string) *following {
	f := &following{err: make(chan error, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	f.cancel = cancel
	go func() {
		f.err <- Follow(ctx, js, start, filters,
			func() error {
				f.mu.Lock()
				defer f.mu.Unlock()
				f.caught = append(f.caught, len(f.seqs))
				return nil
			},
			func(e Entry) error {
				f.mu.Lock()
				defer f.mu.Unlock()
				f.seqs, f.data = append(f.seqs, e.Seq), append(f.data, string(e.Data))
				return nil
			})
	}()
	return f
}

func (f *following) look(at func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at()
}

func (f *following) count() (n int) {
	f.look(func() { n = len(f.seqs) })
	return n
}

func (f *following) stop(t testing.TB) {
	t.Helper()
	f.cancel()
	require.ErrorIs(t, <-f.err, context.Canceled)
}

func TestOfTwoWritersOneLoses(t *testing.T) {
	srv := natstest.Start(t)
	js := srv.JetStream(t)
	seq, err := AppendControl(t.Context(), js, Header{Kind: subjects.KindCreated, Run: "r1"}, created(4, 1, 2), 0)
	require.NoError(t, err)
	_, err = AppendControl(t.Context(), js, Header{Kind: subjects.KindCreated, Run: "r1"}, created(4, 1, 2), 0)
	require.ErrorIs(t, err, ErrConflict, "there is one already")
	publish(t, js, subjects.LogAnswer("r1", 0), "answers do not count")
	_, err = AppendControl(t.Context(), js, Header{Kind: subjects.KindCreated, Run: "r2"}, created(4, 1, 2), 0)
	require.NoError(t, err, "nor do other runs")

	const writers, rounds = 4, 10
	for range rounds {
		type outcome struct {
			seq uint64
			err error
		}
		results := make(chan outcome, writers)
		for i := range writers {
			other := js
			if i%2 == 0 {
				other = srv.JetStream(t)
			}
			go func() {
				kind := []string{subjects.KindPaused, subjects.KindResumed}[i%2] // whatever the kind
				seq, err := AppendControl(t.Context(), other, Header{Kind: kind, Run: "r1"}, Reason{Reason: fmt.Sprint(i)}, seq)
				results <- outcome{seq, err}
			}()
		}
		won := uint64(0)
		for range writers {
			if r := <-results; r.err == nil {
				require.Zero(t, won, "two have won")
				won = r.seq
			} else {
				require.ErrorIs(t, r.err, ErrConflict)
			}
		}
		require.Greater(t, won, seq)
		seq = won
	}
	n := 0
	require.NoError(t, Read(t.Context(), js, 0, []string{subjects.LogCtlAll("r1")}, func(Entry) error { n++; return nil }))
	require.Equal(t, 1+rounds, n, "losers have written nothing")
}

func TestAppendNamesItsErrors(t *testing.T) {
	js := natstest.Start(t, natstest.WithOptions(bus.Options{MaxBytes: 16 << 20})).JetStream(t)
	_, err := AppendControl(t.Context(), js, Header{Kind: subjects.KindPaused, Run: "r1"}, Reason{Reason: string(make([]byte, bus.MaxPayload))}, 0)
	require.ErrorIs(t, err, ErrTooLarge)
	seq := uint64(0)
	for range 3 {
		last := seq
		if seq, err = AppendControl(t.Context(), js, Header{Kind: subjects.KindPaused, Run: "r1"}, Reason{Reason: string(make([]byte, 7<<20))}, last); err != nil {
			break
		}
	}
	require.ErrorIs(t, err, ErrFull)
	_, err = AppendControl(t.Context(), js, Header{Kind: subjects.KindPaused, Run: "r1"}, func() {}, 0)
	require.Error(t, err)
}

func TestFollow(t *testing.T) {
	js := natstest.Start(t).JetStream(t)
	empty := follow(t, js, 0, subjects.LogCtlAll("r1"))
	require.Eventually(t, func() bool { empty.mu.Lock(); defer empty.mu.Unlock(); return len(empty.caught) == 1 }, waitFor, pollEvery, "an empty log is caught up with")
	var want []uint64
	for i := range 700 { // more than is fetched ahead
		want = append(want, publish(t, js, subjects.LogAnswer("r1", i%3), fmt.Sprint(i)))
		publish(t, js, subjects.LogAnswer("r2", 0), "another run's")
	}
	all := follow(t, js, 0, RunSubjects("r1")...)
	late := follow(t, js, want[500], subjects.LogAnswerAll("r1"))
	future := follow(t, js, want[699]+1000, subjects.LogAnswerAll("r1"))
	require.Eventually(t, func() bool { return all.count() == 700 && late.count() == 200 }, waitFor, pollEvery)
	want = append(want, publish(t, js, subjects.LogAnswer("r1", 0), "new"))
	want = append(want, publish(t, js, subjects.LogCtl("r1", subjects.KindPaused), "newer"))
	require.Eventually(t, func() bool { return all.count() == 702 && late.count() == 201 && empty.count() == 1 }, waitFor, pollEvery)
	require.Equal(t, want, all.seqs)
	require.Equal(t, []int{700}, all.caught, "once, and before what came later")
	require.Equal(t, want[500:701], late.seqs)
	require.Equal(t, []int{200}, late.caught)
	require.Equal(t, []int{0}, empty.caught)
	require.Equal(t, "newer", all.data[701])
	require.Zero(t, future.count())
	for _, f := range []*following{empty, all, late, future} {
		f.stop(t)
	}
	noConsumers(t, js)
}

// More than a request to the broker may bring, in records as large as it carries.
func TestFollowReadsLargeRecords(t *testing.T) {
	js := natstest.Start(t).JetStream(t)
	var want []int
	for i, size := range []int{1, bus.MaxPayload - 1024, 10, bus.MaxPayload - 1024, 5 << 20, bus.MaxPayload - 1024, 6 << 20, 1} {
		want = append(want, size+i)
		publish(t, js, subjects.LogAnswer("r1", i), strings.Repeat("x", size+i))
	}
	var got []int
	require.NoError(t, Read(t.Context(), js, 0, RunSubjects("r1"), func(e Entry) error {
		got = append(got, len(e.Data))
		return nil
	}))
	require.Equal(t, want, got)
}

func TestFollowEndsWithItsCallbacks(t *testing.T) {
	js := natstest.Start(t).JetStream(t)
	enough := errors.New("enough")
	publish(t, js, subjects.LogAnswer("r1", 0), "x")
	err := Follow(t.Context(), js, 0, []string{subjects.LogAll("r1")}, nil, func(Entry) error { return enough })
	require.Equal(t, enough, err)
	err = Follow(t.Context(), js, 0, []string{subjects.LogAll("r1")}, func() error { return enough }, func(Entry) error { return nil })
	require.Equal(t, enough, err)
	err = Follow(t.Context(), js, 0, []string{subjects.LogAll("r0")}, func() error { return enough }, func(Entry) error { return nil })
	require.Equal(t, enough, err)
	noConsumers(t, js)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, Read(ctx, js, 0, []string{subjects.LogAll("r1")}, nil), context.Canceled)
	require.NoError(t, js.DeleteStream(t.Context(), subjects.StreamLog))
	require.ErrorIs(t, Read(t.Context(), js, 0, []string{subjects.LogAll("r1")}, nil), jetstream.ErrStreamNotFound)
	js.Conn().Close()
	require.Error(t, Read(t.Context(), js, 0, []string{subjects.LogAll("r1")}, nil), "a closed connection does not come back")
}

// Records that are purged while they are read never come; the reader must notice that it has all there is.
func TestReadSurvivesAPurge(t *testing.T) {
	js := natstest.Start(t).JetStream(t)
	for range 2000 {
		publish(t, js, subjects.LogAnswer("r1", 0), "x")
	}
	publish(t, js, subjects.LogAnswer("r2", 0), "of another run")
	n := 0
	err := Read(t.Context(), js, 0, []string{subjects.LogAnswerAll("r1")}, func(Entry) error {
		if n++; n == 1 {
			s, err := js.Stream(t.Context(), subjects.StreamLog)
			require.NoError(t, err)
			require.NoError(t, s.Purge(t.Context(), jetstream.WithPurgeSubject(subjects.LogAll("r1"))))
		}
		return nil
	})
	require.NoError(t, err)
	require.Less(t, n, 2000)
	noConsumers(t, js)
}
