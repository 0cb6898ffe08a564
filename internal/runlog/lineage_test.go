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

// library is a broker with a run of three rounds, a fork after its second, and a fork of that after its third; the others'
// records lie between theirs.
type library struct {
	*testing.T
	js    jetstream.JetStream
	folds map[string]*Fold // by run, having read everything
}

// write plays rounds of the run that a fold has read up to here and appends the records.
func (l *library) write(f *Fold, fill func(*book)) {
	b := &book{t: l, fold: f}
	b.sequel = func() uint64 { // what the broker will give it
		s, err := l.js.Stream(l.Context(), subjects.StreamLog)
		require.NoError(l, err)
		return s.CachedInfo().State.LastSeq + 1
	}
	b.added = func(e Entry) {
		require.Equal(l, e.Seq, publish(l, l.js, e.Subject, string(e.Data)))
	}
	fill(b)
}

func newLibrary(t *testing.T) *library {
	l := &library{T: t, js: natstest.Start(t).JetStream(t), folds: map[string]*Fold{}}
	rounds := func(n int) func(*book) {
		return func(b *book) {
			for range n {
				b.open()
				asked, err := EncodeAsked(Header{Run: b.fold.Run, Round: b.fold.Round, Epoch: 1}, Asked{Agents: []int{0, 2}})
				require.NoError(t, err)
				b.add(b.entry(subjects.LogAsked(b.fold.Run, 0), asked))
				b.answerAll()
				b.close()
				b.add(b.entry(subjects.LogMessage(b.fold.Run, 0), []byte("said between rounds")))
			}
		}
	}
	begin := func(run string) *Fold {
		f := NewFold(run, WithAnswers())
		l.folds[run] = f
		l.write(f, func(b *book) { b.begin(4, 1, 2) })
		l.write(f, rounds(2))
		return f
	}
	begin("r1")
	begin("other")
	l.write(l.folds["r1"], rounds(1))
	fork := func(run, of string, round, play int) {
		st, err := ReadControl(t.Context(), l.js, of)
		require.NoError(t, err)
		at, err := st.ForkAt(round)
		require.NoError(t, err)
		c := st.Created
		c.Fork = &at
		f := NewFold(run, WithAnswers())
		require.NoError(t, readUpto(t.Context(), l.js, 0, at.Seq, RunSubjects(at.Run), inherit(t.Context(), l.js, at.Run, RunSubjects, func(e Entry) error {
			_, err := f.Apply(e)
			return err
		})))
		l.folds[run] = f
		l.write(f, func(b *book) {
			b.add(b.control(subjects.KindCreated, 0, 0, c))
			b.lease("h2", Range{0, 2})
		})
		l.write(f, rounds(play))
	}
	fork("r2", "r1", 2, 2)
	fork("r3", "r2", 3, 1)
	fork("r4", "r3", 1, 1)
	return l
}

// seen notes the records that a reader delivers.
type seen struct {
	entries []Entry
	bytes   int
}

func (s *seen) take(e Entry) error {
	s.entries, s.bytes = append(s.entries, e), s.bytes+len(e.Data)
	return nil
}

func (s *seen) fold(t *testing.T, f *Fold) *Fold {
	for _, e := range s.entries {
		_, err := f.Apply(e)
		require.NoError(t, err)
	}
	return f
}

func TestAForkIsReadThroughItsParents(t *testing.T) {
	l := newLibrary(t)
	for run, parents := range map[string][]string{"r1": nil, "r2": {"r1"}, "r3": {"r1", "r2"}, "r4": {"r1"}} {
		var all, control, since, followed seen
		require.NoError(t, ReadRun(t.Context(), l.js, run, RunSubjects, all.take))
		f := all.fold(t, NewFold(run, WithAnswers()))
		wrote := l.folds[run]
		require.Equal(t, []any{wrote.Chain, wrote.World, wrote.Seq, wrote.Accepted, wrote.Asked, wrote.Grants}, []any{f.Chain, f.World, f.Seq, f.Accepted, f.Asked, f.Grants}, run)
		var past []string
		for _, p := range f.Past {
			past = append(past, p.Run)
		}
		require.Equal(t, parents, past)
		st, err := ReadControl(t.Context(), l.js, run)
		require.NoError(t, err)
		require.Equal(t, f.Rounds, st.Rounds)
		require.NoError(t, ReadRun(t.Context(), l.js, run, ControlSubjects, control.take))
		require.Equal(t, controlOf(all.entries), control.entries)

		middle := all.entries[len(all.entries)/2].Seq
		require.NoError(t, ReadSince(t.Context(), l.js, st, middle, RunSubjects, since.take))
		require.Equal(t, all.entries[len(all.entries)/2:], since.entries)

		done := errors.New("caught up")
		require.ErrorIs(t, FollowRun(t.Context(), l.js, run, RunSubjects, func() error { return done }, followed.take), done)
		require.Equal(t, all.entries, followed.entries)
	}
	_, err := ReadControl(t.Context(), l.js, "none")
	require.ErrorIs(t, err, ErrNoRun)
	noConsumers(t, l.js)
}

// ContinueRun comes to the same state with the answers of the open round only.
func TestContinueRun(t *testing.T) {
	l := newLibrary(t)
	for run, f := range l.folds {
		for _, more := range []bool{false, true} {
			if more { // somebody is in the middle of a round
				l.write(f, func(b *book) {
					b.open()
					b.add(b.answers(b.fold.Round, b.fold.Grants[0].Epoch, b.plainShard(0)))
				})
			}
			back := NewFold(run, WithAnswers())
			enough := errors.New("enough")
			var got seen
			err := ContinueRun(t.Context(), l.js, back, func() error { return enough }, func(e Entry) error {
				_, err := back.Apply(e)
				return errors.Join(err, got.take(e))
			})
			require.ErrorIs(t, err, enough)
			var all seen
			require.NoError(t, ReadRun(t.Context(), l.js, run, RunSubjects, all.take))
			same(t, all.fold(t, NewFold(run, WithAnswers())), back)
			answers := 0
			for _, e := range got.entries {
				if at, _ := subjects.ParseLog(e.Subject); at.Class == subjects.ClassAnswer {
					answers++
				}
			}
			require.Equal(t, map[bool]int{true: 1}[more], answers, "of run %s", run)
		}
	}
}

// A run that is not there yet is waited for, and found to be a fork when it comes.
func TestFollowRunWaitsForAFork(t *testing.T) {
	l := newLibrary(t)
	st, err := ReadControl(t.Context(), l.js, "r1")
	require.NoError(t, err)
	of, err := st.ForkAt(3)
	require.NoError(t, err)
	c := st.Created
	c.Fork = &of
	var mu sync.Mutex
	fold := NewFold("late")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	waits := make(chan struct{})
	go func() {
		ended <- ContinueRun(ctx, l.js, fold, func() error { close(waits); return nil }, func(e Entry) error {
			mu.Lock()
			defer mu.Unlock()
			_, err := fold.Apply(e)
			return err
		})
	}()
	<-waits
	_, err = AppendControl(t.Context(), l.js, Header{Kind: subjects.KindCreated, Run: "late"}, c, 0)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return fold.Round == 3 && fold.Created.Fork != nil
	}, waitFor, pollEvery)
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	require.Equal(t, st.Chain, fold.Chain)
}

// Nobody may be led round in a circle.
func TestAForkOfItsOwnFutureIsRefused(t *testing.T) {
	l := newLibrary(t)
	c := created(4, 1, 2)
	c.Fork = &ForkOf{Run: "bad", Round: 1, Seq: 1 << 40}
	_, err := AppendControl(t.Context(), l.js, Header{Kind: subjects.KindCreated, Run: "bad"}, c, 0)
	require.NoError(t, err)
	_, err = ReadControl(t.Context(), l.js, "bad")
	require.ErrorIs(t, err, ErrDamaged)
	c.Fork = &ForkOf{Run: "gone", Round: 1, Seq: 3}
	_, err = AppendControl(t.Context(), l.js, Header{Kind: subjects.KindCreated, Run: "lost"}, c, 0)
	require.NoError(t, err)
	_, err = ReadControl(t.Context(), l.js, "lost")
	require.ErrorIs(t, err, ErrDamaged)
	require.ErrorContains(t, err, "forked from run gone after round 1")
}
