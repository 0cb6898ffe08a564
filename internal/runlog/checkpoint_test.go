package runlog

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/pkg/subjects"
)

// continued folds entries as ContinueRun delivers them to who comes back at their end.
func continued(t require.TestingT, run string, entries []Entry, opts ...Option) *Fold {
	f := NewFold(run, opts...)
	for _, e := range entries {
		switch e.Subject {
		case subjects.LogCtl(run, subjects.KindCreated):
			of, err := forkOf(e, run)
			require.NoError(t, err)
			f.since = max(f.since, of.Seq)
		case subjects.LogCtl(run, subjects.KindEnvState):
			_, body, err := Decode(e.Data)
			require.NoError(t, err)
			var b EnvState
			require.NoError(t, decodeBody(body, &b))
			f.since = max(f.since, b.Counted)
		}
	}
	for _, e := range entries {
		at, err := subjects.ParseLog(e.Subject)
		require.NoError(t, err)
		if at.Class == subjects.ClassControl || e.Seq > f.since {
			_, err := f.Apply(e)
			require.NoError(t, err)
		}
	}
	return f
}

// same compares two folds that have read the same run in different ways. Only the words of faults may differ.
func same(t require.TestingT, want, got *Fold) {
	a, b := bare(want.State), bare(got.State)
	a.Faults, b.Faults = nil, nil
	require.Equal(t, a, b)
	require.Equal(t, want.gone, got.gone)
	if want.Phase != PhaseOpen {
		return
	}
	require.Equal(t, want.Columns(), got.Columns())
	require.Equal(t, want.Left(), got.Left())
	if want.Complete() && want.digest != nil && got.digest != nil {
		x, err := want.Close()
		require.NoError(t, err)
		y, err := got.Close()
		require.NoError(t, err)
		require.Equal(t, x, y, "what is recorded next is the same")
	}
}

// Wherever somebody comes back to a run, or to a fork, the state is that of who was there all the time.
func TestComingBackIsTheSameAsStaying(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t, rapid.IntRange(1, 9).Draw(t, "agents"), rapid.IntRange(1, 2).Draw(t, "questions"), everDifferent)
		h.grant()
		for range rapid.IntRange(0, 2).Draw(t, "rounds of the parent") {
			h.play(true)
		}
		if h.fold.Round > 0 && rapid.Bool().Draw(t, "fork") {
			h.fork("r2", nil)
			h.acts = make([]act, len(h.entries)) // the model knows nothing of inherited rounds
			h.grant(Range{0, h.fold.Shards()})
		}
		begin := len(h.entries)
		for range rapid.IntRange(0, 3).Draw(t, "rounds") {
			h.play(true)
		}
		h.openRound(h.fold.Round+1, 0)
		for range rapid.IntRange(0, 9).Draw(t, "more") {
			h.disturb()
		}
		options := func() []Option { return []Option{WithAnswers()} }
		if rapid.Bool().Draw(t, "columns only") {
			options = func() []Option { return []Option{WithColumns()} }
		}
		stayed := NewFold(h.fold.Run, options()...)
		at := rapid.IntRange(begin, len(h.entries)).Draw(t, "killed after")
		for i, e := range h.entries {
			if i == at {
				same(t, stayed, continued(t, h.fold.Run, h.entries[:i], options()...))
			}
			_, err := stayed.Apply(e)
			require.NoError(t, err)
		}
		same(t, stayed, continued(t, h.fold.Run, h.entries, options()...))
	})
}

// What was damaged in a round is counted by who reads its answers, told in its closed record, and so known to all others.
func TestDamageIsToldOf(t *testing.T) {
	b := newBook(t)
	b.begin(4, 1, 2)
	b.open()
	damage := func(n int) {
		for range n {
			e := b.answers(b.fold.Round, 1, b.plainShard(0))
			e.Data[len(e.Data)-1] ^= 1
			b.add(e)
		}
	}
	damage(2)
	b.answerAll()
	c, err := b.fold.Close()
	require.NoError(t, err)
	require.Equal(t, []uint64{2, b.fold.Seq}, []uint64{c.Damaged, c.Counted})
	damage(1) // behind what the closed record counts
	b.add(b.control(subjects.KindClosed, 1, 0, c))
	damage(1)
	b.add(b.control(subjects.KindEnvState, 1, 0, EnvState{Counted: c.Counted}))
	require.Equal(t, 4, b.fold.FaultCount)
	back := continued(t, "r1", b.entries, WithAnswers())
	same(t, b.fold, back)
	require.Contains(t, back.Faults[len(back.Faults)-1].What, "record ")
	b.open()
	b.answerAll()
	c = b.close()
	require.Equal(t, uint64(2), c.Damaged)
	control := NewFold("r1")
	for _, e := range b.entries {
		if at, _ := subjects.ParseLog(e.Subject); at.Class == subjects.ClassControl {
			_, err := control.Apply(e)
			require.NoError(t, err)
		}
	}
	require.Equal(t, 4, control.FaultCount, "control records say as much")
	require.Equal(t, "2 damaged records were found in round 2, or before it, and dropped", control.Faults[1].What)
}

// A round that was over before somebody came back is believed, not verified; one that is open then is verified still.
func TestTheOpenRoundIsVerifiedAfterComingBack(t *testing.T) {
	b := newBook(t)
	b.begin(4, 1, 2)
	b.open()
	b.answerAll()
	b.close()
	b.open()
	b.answerAll()
	back := continued(t, "r1", b.entries, WithAnswers())
	c, err := b.fold.Close()
	require.NoError(t, err)
	c.Root[0] ^= 1
	c.Chain = digestChain(b.fold.Chain, c.Root)
	_, err = back.Apply(b.control(subjects.KindClosed, 2, 0, c))
	require.ErrorIs(t, err, ErrDigest)

	c.Chain[3] ^= 1 // nobody believes a chain that does not go on
	_, err = NewFold("r1").Apply(b.entries[0])
	require.NoError(t, err)
	_, err = replay(t, controlOf(b.entries)).Apply(b.control(subjects.KindClosed, 2, 0, c))
	require.ErrorIs(t, err, ErrDigest)
}

func controlOf(entries []Entry) (out []Entry) {
	for _, e := range entries {
		if at, err := subjects.ParseLog(e.Subject); err == nil && at.Class == subjects.ClassControl {
			out = append(out, e)
		}
	}
	return out
}

// A clone goes on by itself: with the answers of the rounds that are still to come, which is what a host needs.
func TestClone(t *testing.T) {
	b := newBook(t)
	b.begin(5, 1, 2)
	b.open()
	b.answerAll()
	b.close()
	taken := map[int]int{}
	control := replay(t, controlOf(b.entries))
	clone := control.Clone(WithShards(func(i int) bool { return i == 1 }), WithAccept(func(round int, a *Answers, positions []int) {
		taken[round] += len(positions)
	}))
	before := bare(clone.State)
	n := len(b.entries)
	b.lease("h2", Range{1, 2})
	b.open()
	b.answerAll()
	b.close()
	for _, e := range controlOf(b.entries[n:]) {
		_, err := control.Apply(e)
		require.NoError(t, err)
	}
	require.Equal(t, before, bare(clone.State), "the other has gone on alone")
	for _, e := range b.entries[n:] {
		_, err := clone.Apply(e)
		require.NoError(t, err)
	}
	require.Equal(t, map[int]int{2: 2}, taken)
	require.Equal(t, control.Rounds, clone.Rounds)
	require.Equal(t, control.Chain, clone.Chain)
}
