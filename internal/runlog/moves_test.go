package runlog

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Shards that move as planned are counted apart: nobody was lost.
func TestPlannedMovesAreNoFaults(t *testing.T) {
	b := newBook(t)
	b.begin(8, 1, 2)
	b.open()
	move := func(host, why string, ranges ...Range) {
		b.add(b.control(subjects.KindLease, 1, b.fold.Epoch+1, Lease{Host: host, Incarnation: host + "-1", Ranges: ranges, Why: why}))
	}
	move("h2", LeaseDrain, Range{0, 2})
	move("h3", LeaseBalance, Range{2, 3})
	require.Equal(t, []int{3, 0, 0, 0}, []int{b.fold.Moves, b.fold.Takeovers, b.fold.LostHosts, len(b.fold.Faults)})
	move("h4", LeaseLost, Range{0, 3})
	require.Equal(t, []int{3, 3, 2, 2}, []int{b.fold.Moves, b.fold.Takeovers, b.fold.LostHosts, len(b.fold.Faults)})
	require.Equal(t, Fault{At: b.entries[len(b.entries)-1].Time, Who: "agenthost h2", What: "lost; its shards were given to others"}, b.fold.Faults[0])
	require.Zero(t, b.fold.FaultCount, "lost hosts are counted apart")
}

// A fault that a service saw is kept with its time and changes nothing else.
func TestFaultNotes(t *testing.T) {
	b := newBook(t)
	b.begin(4, 1, 2)
	b.open()
	before := b.fold.State
	began := epoch.Add(-time.Minute)
	b.add(b.control(subjects.KindFault, 1, 0, FaultNote{At: began, Until: epoch, Who: "llmproxy", What: "silent for a minute"}))
	b.add(b.control(subjects.KindFault, 1, 0, FaultNote{Who: "broker", What: "away"}))
	require.Equal(t, 2, b.fold.FaultCount)
	require.Equal(t, []time.Time{began, epoch}, []time.Time{b.fold.Faults[0].At.UTC(), b.fold.Faults[0].Until.UTC()})
	require.Equal(t, []any{"llmproxy", "silent for a minute"}, []any{b.fold.Faults[0].Who, b.fold.Faults[0].What})
	require.Equal(t, b.entries[len(b.entries)-1].Time, b.fold.Faults[1].At, "where it is not said, when it was written")
	after := b.fold.State
	after.Faults, after.FaultCount, after.Seq, after.CtlSeq = before.Faults, before.FaultCount, before.Seq, before.CtlSeq
	require.Equal(t, bare(before), bare(after))
	_, err := b.fold.Apply(b.control(subjects.KindFault, 1, 0, "no note"))
	require.ErrorIs(t, err, ErrDamaged)
}
