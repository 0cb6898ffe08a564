package coordinator

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// brief is an incident of a second, so long after noon.
func brief(who string, after time.Duration) runlog.FaultNote {
	return runlog.FaultNote{At: noon.Add(after), Until: noon.Add(after + time.Second), Who: who, What: "was away"}
}

// tell puts an incident into a state as the log would.
func tell(s *runlog.State, n runlog.FaultNote) {
	s.Faults = append(s.Faults, runlog.Fault(n))
}

func TestWhatIsOneIncident(t *testing.T) {
	var s runlog.State
	require.False(t, known(&s, brief("broker", 0)))
	tell(&s, brief("broker", 10*time.Second)) // from 10 to 11
	for after, want := range map[time.Duration]bool{
		10 * time.Second: true, 12 * time.Second: true, 12999 * time.Millisecond: true, 13 * time.Second: false,
		7001 * time.Millisecond: true, 7 * time.Second: false, 0: false,
	} {
		require.Equal(t, want, known(&s, brief("broker", after)), after)
		require.False(t, known(&s, brief("llmproxy", after)), "of another part")
	}
	long := brief("broker", 0)
	long.Until = noon.Add(time.Minute)
	require.True(t, known(&s, long), "it was in it")
	tell(&s, runlog.FaultNote{At: noon.Add(time.Hour), Who: "broker"}) // of no length
	require.True(t, known(&s, brief("broker", time.Hour)))
	require.False(t, known(&s, brief("broker", time.Hour+3*time.Second)))
}

// What comes and goes does not fill the log: neither within a minute nor by and by.
func TestIncidentsAreLimited(t *testing.T) {
	var s runlog.State
	for i := range mostFaults {
		n := brief(fmt.Sprint("part ", i), time.Duration(i)*5*time.Second)
		require.False(t, known(&s, n), i)
		tell(&s, n)
	}
	require.True(t, known(&s, brief("another", 40*time.Second)))
	require.True(t, known(&s, brief("another", 58*time.Second)), "the first is not a minute ago")
	require.False(t, known(&s, brief("another", 59*time.Second)))

	for i := len(s.Faults); i < mostFaultsAll; i++ {
		n := brief("part", time.Duration(i)*time.Minute)
		require.False(t, known(&s, n), i)
		tell(&s, n)
	}
	require.True(t, known(&s, brief("part", 24*time.Hour)))
}

func TestIncidentsAreToldInTurn(t *testing.T) {
	var i incidents
	var s runlog.State
	_, ok := i.next(&s)
	require.False(t, ok)
	first, again, other := brief("broker", 0), brief("broker", time.Minute), brief("llmproxy", 2*time.Minute)
	i.add(first)
	i.add(again)
	i.add(other)
	both := first
	both.Until = again.Until
	for range 2 { // until the log has it, for it may not have been appended
		n, ok := i.next(&s)
		require.True(t, ok)
		require.Equal(t, both, n)
	}
	tell(&s, both)
	n, ok := i.next(&s)
	require.True(t, ok)
	require.Equal(t, other, n)

	s.Paused = true
	_, ok = i.next(&s)
	require.False(t, ok)
	s.Paused = false
	_, ok = i.next(&s)
	require.False(t, ok, "what happened to a paused run is forgotten")
}

// A report of a service is put into the log of the run once, whoever reports it, and not where it makes no sense.
func TestReportsOfFaults(t *testing.T) {
	k := newStack(t)
	w := k.write("r1")
	w.begin(4)
	k.start()
	ctx := t.Context()
	faults := func() (out []runlog.Fault) {
		st, err := runlog.ReadControl(ctx, k.js, "r1")
		require.NoError(t, err)
		return st.Faults
	}
	report := control.Fault{Run: "r1", From: "host-1", At: noon, Until: noon.Add(3 * time.Second), Who: "llmproxy", What: "fell silent"}
	require.NoError(t, k.svc.hearFault(ctx, report))
	report.From, report.At = "host-2", report.At.Add(time.Second)
	require.NoError(t, k.svc.hearFault(ctx, report))
	require.Len(t, faults(), 1)
	require.Equal(t, runlog.Fault{At: noon, Until: noon.Add(3 * time.Second), Who: "llmproxy", What: "fell silent"}, utc(faults()[0]))

	backwards := control.Fault{Run: "r1", At: noon.Add(time.Hour), Until: noon, Who: "llmproxy", What: "fell silent"}
	require.NoError(t, k.svc.hearFault(ctx, backwards))
	require.Equal(t, noon.Add(time.Hour), faults()[1].Until.UTC(), "no earlier than it began")

	long := make([]byte, longestWord+1)
	for _, bad := range []control.Fault{
		{Run: "r1", At: noon, What: "x"}, {Run: "r1", At: noon, Who: "x"}, {Run: "r1", Who: "x", What: "x"},
		{Run: "r1", At: noon, Who: string(long), What: "x"}, {Run: "r1", At: noon, Who: "x", What: string(long)},
	} {
		err := k.svc.hearFault(ctx, bad)
		require.ErrorContains(t, err, "a fault needs at, who and what")
	}
	report.Run = "nobody"
	require.ErrorIs(t, k.svc.hearFault(ctx, report), ErrNoRun)

	st, err := runlog.ReadControl(ctx, k.js, "r1")
	require.NoError(t, err)
	_, err = runlog.AppendControl(ctx, k.js, runlog.Header{Kind: subjects.KindCancelled, Run: "r1"}, runlog.Reason{}, st.CtlSeq)
	require.NoError(t, err)
	require.NoError(t, k.svc.hearFault(ctx, control.Fault{Run: "r1", At: noon.Add(24 * time.Hour), Who: "llmproxy", What: "fell silent"}))
	require.Len(t, faults(), 2, "a run that is over has no faults any more")
}

func utc(f runlog.Fault) runlog.Fault {
	f.At, f.Until = f.At.UTC(), f.Until.UTC()
	return f
}
