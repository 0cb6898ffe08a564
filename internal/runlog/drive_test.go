package runlog

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// pour writes the entries of a book into the log.
func pour(t testing.TB, js jetstream.JetStream, run string, entries []Entry) {
	t.Helper()
	for _, e := range entries {
		_, err := js.Publish(t.Context(), e.Subject, e.Data)
		require.NoError(t, err, run)
	}
}

// order appends a control record that needs no run.
func order(t testing.TB, js jetstream.JetStream, kind, run string) {
	t.Helper()
	data, err := Encode(Header{Kind: kind, Run: run}, Reason{})
	require.NoError(t, err)
	publish(t, js, subjects.LogCtl(run, kind), string(data))
}

func TestActive(t *testing.T) {
	js := natstest.Start(t).JetStream(t)
	for _, run := range []string{"ended", "waiting", "failed", "another", "cancelled"} {
		order(t, js, subjects.KindCreated, run)
	}
	order(t, js, subjects.KindFinished, "ended")
	order(t, js, subjects.KindFailed, "failed")
	order(t, js, subjects.KindCancelled, "cancelled")
	publish(t, js, "myriad.run.r=2.log.ctl.created", "no run can have this subject, and it must not stop the others")
	type found struct {
		run      string
		existing bool
	}
	var mu sync.Mutex
	var got []found
	look := func() []found {
		mu.Lock()
		defer mu.Unlock()
		return got
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- Active(ctx, js, func(run string, existing bool) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, found{run, existing})
		})
	}()
	require.Eventually(t, func() bool { return len(look()) == 2 }, waitFor, pollEvery)
	order(t, js, subjects.KindFinished, "another")
	order(t, js, subjects.KindCreated, "new")
	require.Eventually(t, func() bool { return len(look()) == 3 }, waitFor, pollEvery)
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	require.Equal(t, []found{{"waiting", true}, {"another", true}, {"new", false}}, look())
	noConsumers(t, js)
}

func TestReadControl(t *testing.T) {
	js := natstest.Start(t).JetStream(t)
	_, err := ReadControl(t.Context(), js, "r1")
	require.ErrorIs(t, err, ErrNoRun)
	b := newBook(t)
	b.begin(5, 1, 2)
	b.open()
	b.answerAll()
	b.close()
	pour(t, js, "r1", b.entries)
	s, err := ReadControl(t.Context(), js, "r1")
	require.NoError(t, err)
	require.Equal(t, b.fold.Chain, s.Chain)
	require.Equal(t, uint64(5), s.Accepted)
	order(t, js, subjects.KindFinished, "r1")
	_, err = ReadControl(t.Context(), js, "r1")
	require.ErrorIs(t, err, ErrOrder)
	noConsumers(t, js)
}

// Drive is what services run on: a step that appends what comes next, whoever else does too.
func TestDrive(t *testing.T) {
	js := natstest.Start(t).JetStream(t)
	b := newBook(t)
	b.begin(5, 1, 2)
	b.open()
	b.answerAll()
	pour(t, js, "r1", b.entries) // in the middle of a round, as after a crash

	drive := func() (kinds []string, f *Fold, err error) {
		f = NewFold("r1", WithAnswers())
		err = Drive(t.Context(), js, f, func(last Header) error {
			kinds = append(kinds, last.Kind)
			var kind string
			var body any
			switch {
			case f.Complete():
				c, err := f.Close()
				if err != nil {
					return err
				}
				kind, body = subjects.KindClosed, c
			case f.Phase == PhaseClosed:
				kind, body = subjects.KindEnvState, EnvState{World: map[string]float64{"mean": 1}}
			case f.Phase == PhaseReady && f.Round == 1:
				kind, body = subjects.KindFinished, Reason{Reason: "played", Hash: f.Chain}
			default:
				return nil
			}
			_, err := AppendControl(t.Context(), js, Header{Kind: kind, Run: "r1", Round: f.Round}, body, f.CtlSeq)
			if errors.Is(err, ErrConflict) {
				return nil
			}
			return err
		})
		return kinds, f, err
	}
	type outcome struct {
		kinds []string
		f     *Fold
		err   error
	}
	outcomes := make(chan outcome, 2)
	for range 2 {
		go func() {
			kinds, f, err := drive()
			outcomes <- outcome{kinds, f, err}
		}()
	}
	for range 2 {
		o := <-outcomes
		require.NoError(t, o.err)
		require.Empty(t, o.kinds[0], "first once for all there is")
		require.Equal(t, subjects.KindFinished, o.kinds[len(o.kinds)-1])
		require.Equal(t, PhaseFinished, o.f.Phase)
		require.Len(t, o.f.Rounds, 1)
	}
	kinds, f, err := drive()
	require.NoError(t, err)
	require.Empty(t, kinds, "a run that is over needs no step")
	require.Equal(t, PhaseFinished, f.Phase)

	enough := errors.New("enough")
	order(t, js, subjects.KindPaused, "r1")
	require.ErrorIs(t, Drive(t.Context(), js, NewFold("r2"), func(Header) error { return enough }), enough)
	order(t, js, subjects.KindPaused, "r2")
	require.ErrorIs(t, Drive(t.Context(), js, NewFold("r2"), func(Header) error { return nil }), ErrOrder)
	noConsumers(t, js)
}
