package coordinator

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/damage"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// lose puts a note in the log as the server does for records that it cannot read.
func (k *stack) lose(n damage.Note) {
	k.t.Helper()
	n.Stream, n.What = subjects.StreamLog, "its bytes are gone"
	_, err := k.js.Publish(k.t.Context(), n.Place(), damage.Payload(n))
	require.NoError(k.t, err)
}

// shown is what lists say of a run.
func (k *stack) shown(run string) control.Info {
	k.t.Helper()
	i, err := k.svc.entry(k.t.Context(), run)
	require.NoError(k.t, err)
	return i
}

func (w *writer) last() uint64 { return w.fold.Seq }

// A run with a damaged record is shown as damaged and not gone on with; others are.
func TestADamagedRunIsGivenUp(t *testing.T) {
	t.Parallel()
	k := newStack(t)
	hit, other := k.write("hit"), k.write("other")
	hit.begin(4)
	hit.round(1)
	other.begin(4)
	k.lose(damage.Note{First: 5, Last: 5, Subject: subjects.LogAnswer("hit", 0)})
	k.start()
	i := k.shown("hit")
	require.Equal(t, control.StateDamaged, i.State)
	require.Contains(t, i.Reason, "its bytes are gone")
	require.Contains(t, i.Reason, "; see: myriad verify hit")
	for _, order := range []string{"resume", "pause", "cancel"} {
		a := k.post("/v1/runs/hit/"+order, "")
		require.Contains(t, a.text, `"damaged"`, order)
	}
	require.ErrorIs(t, k.svc.isLost("hit"), ErrDamaged)
	require.NoError(t, k.svc.isLost("other"))
	require.NotContains(t, k.get("/v1/runs/other").text, "damaged")

	// What was before the damage is there still.
	st, err := k.svc.sound(t.Context(), "hit")
	require.NoError(t, err)
	of, err := st.ForkAt(1)
	require.NoError(t, err)
	require.NoError(t, k.svc.soundUpto(of))
	_, err = k.svc.sound(t.Context(), "nobody")
	require.ErrorIs(t, err, ErrNoRun)
}

// Where it is not known whose the lost records were, runs that were under way are given up: not those that are over, and not
// those that began later.
func TestRecordsOfNobodyKnowsWhom(t *testing.T) {
	t.Parallel()
	k := newStack(t)
	k.played("over")
	under := k.write("under")
	under.begin(4)
	under.round(1)
	k.start()
	require.NoError(t, k.svc.touched(t.Context(), "under"))
	k.stop()
	k.lose(damage.Note{First: under.last() + 1, Last: under.last() + 1})
	later := k.write("later")
	later.begin(4)
	for _, run := range []*writer{under, later} {
		data, err := json.Marshal(info(&run.fold.State))
		require.NoError(t, err)
		_, err = k.svc.runs.Put(t.Context(), subjects.Encode(run.fold.Run), data)
		require.NoError(t, err)
	}
	k.start()
	require.Equal(t, control.StateDamaged, k.shown("under").State)
	require.Contains(t, k.shown("under").Reason, "the run was under way when records were lost")
	require.ErrorIs(t, k.svc.touched(t.Context(), "under"), runlog.ErrLost)
	require.NoError(t, k.svc.touched(t.Context(), "later"))
	require.NoError(t, k.svc.isLost("later"))
	require.NoError(t, k.svc.isLost("over"))

	of, err := under.fold.ForkAt(1)
	require.NoError(t, err)
	require.NoError(t, k.svc.soundUpto(of), "the hole is behind it")
	of.Seq = under.last() + 1
	require.ErrorIs(t, k.svc.soundUpto(of), ErrDamaged)
	of.Run = "over"
	require.NoError(t, k.svc.soundUpto(of))
}

// The list of runs is a second witness: a log that ends before what was seen is not gone on with.
func TestALogThatEndsTooEarly(t *testing.T) {
	t.Parallel()
	k := newStack(t)
	w := k.write("r1")
	w.begin(4)
	k.start()
	d := newDriver(k.svc, "r1", true)
	d.fold = w.fold
	witness := func(seq uint64) {
		i := info(&w.fold.State)
		i.Seq = seq
		data, err := json.Marshal(i)
		require.NoError(t, err)
		_, err = k.svc.runs.Put(t.Context(), subjects.Encode("r1"), data)
		require.NoError(t, err)
	}
	witness(w.fold.CtlSeq)
	require.NoError(t, d.whole(t.Context()))
	witness(w.fold.CtlSeq + 1)
	late := time.AfterFunc(firstLook/2, func() { // by another coordinator
		_, _ = runlog.AppendControl(t.Context(), k.js, runlog.Header{Kind: subjects.KindPaused, Run: "r1"}, runlog.Reason{}, w.fold.CtlSeq)
	})
	defer late.Stop()
	require.NoError(t, d.whole(t.Context()), "it comes yet")
	witness(w.fold.CtlSeq + 100)
	err := d.whole(t.Context())
	require.ErrorIs(t, err, runlog.ErrLost)
	require.ErrorIs(t, err, runlog.ErrReplaced)
	require.ErrorContains(t, err, fmt.Sprintf("record %d was there", w.fold.CtlSeq+100))
}

// A run is given up once, with the first reason.
func TestGivingUpOnce(t *testing.T) {
	t.Parallel()
	k := newStack(t)
	k.start()
	k.svc.giveUp(t.Context(), "r1", errors.New("the first reason"))
	k.svc.giveUp(t.Context(), "r1", errors.New("another"))
	require.Equal(t, "the first reason; see: myriad verify r1", k.shown("r1").Reason)
	require.True(t, k.svc.givenUp("r1"))
	require.False(t, k.svc.givenUp("r2"))
	require.False(t, damaged(runlog.ErrNoRun))
	require.False(t, damaged(nil))
	for _, err := range []error{runlog.ErrDamaged, runlog.ErrOrder, runlog.ErrDigest, runlog.ErrReplaced, runlog.ErrLost} {
		require.True(t, damaged(fmt.Errorf("run r1: %w", err)))
	}
}
