package coordinator

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// status is what a coordinator says of the run.
func (s *theatre) status() control.Info {
	s.Helper()
	i, err := s.ask(control.Status, control.Order{Run: s.fold.Run})
	require.NoError(s, err)
	return i
}

// stalled tells the coordinator that nothing is stored.
func (s *theatre) stalled(from, reason string) {
	s.Helper()
	_, err := s.ask(control.Trouble, runlog.Trouble{From: from, Reason: reason})
	require.NoError(s, err)
}

// bytes is how many bytes the log has.
func (s *theatre) bytes() uint64 {
	s.Helper()
	stream, err := s.js.Stream(s.Context(), subjects.StreamLog)
	require.NoError(s, err)
	return stream.CachedInfo().State.Bytes
}

// limit sets how many bytes the log may have more than it has.
func (s *theatre) limit(more int64) {
	s.Helper()
	stream, err := s.js.Stream(s.Context(), subjects.StreamLog)
	require.NoError(s, err)
	cfg := stream.CachedInfo().Config
	cfg.MaxBytes = int64(s.bytes()) + more //nolint:gosec // a size
	_, err = s.js.UpdateStream(s.Context(), cfg)
	require.NoError(s, err)
}

// A run that gets nothing stored says why, until a record of it is stored or the run is paused.
func TestARunSaysWhyItWaits(t *testing.T) {
	s := newTheatre(t)
	s.host("i1")
	s.coordinator("c", true)
	s.submit("")
	s.open(1, 0)
	require.Empty(t, s.status().Reason)

	s.stalled("agent host", "no answer")
	require.Equal(t, "waits: the broker stores no records, its disk may be full (agent host: no answer)", s.status().Reason)
	require.Equal(t, "running", s.status().State)
	require.True(t, s.status().Stalled())
	s.stalled("broker", "the disk is full")
	s.stalled("agent host", "no answer")
	require.Equal(t, "waits: the disk is full", s.status().Reason, "who knows is believed")
	s.answer(map[int]float64{0: 5})
	require.Eventually(t, func() bool { return s.status().Reason == "" }, waitFor, pollEvery, "an answer was stored")

	s.stalled("agent host", "no answer")
	require.Equal(t, "waits: the disk is full", s.status().Reason, "the broker has said why not long ago, though an answer was stored since")
	_, err := s.ask(control.Pause, control.Order{Run: s.fold.Run, Reason: "enough"})
	require.NoError(t, err)
	require.Equal(t, "enough", s.status().Reason, "it waits for nothing else")
	_, err = s.ask(control.Resume, control.Order{Run: s.fold.Run})
	require.NoError(t, err)
	require.NotContains(t, s.status().Reason, control.Waits)

	// What a host sends at once does not fit any more, though single records do.
	s.limit(2 << 20)
	s.stalled("agent host", "maximum bytes exceeded")
	require.Regexp(t, `^waits: the run log is full, \d+ of \d+ bytes; more room: nats stream edit MYRIAD_LOG`, s.status().Reason)

	// The coordinator sees it by itself when it has something to write; when there is room it goes on.
	s.answer(map[int]float64{1: 5})
	before := s.bytes()
	s.answer(map[int]float64{2: 5})
	require.Eventually(t, func() bool { return s.status().Answered == 3 && s.status().Reason == "" }, waitFor, pollEvery)
	s.limit(int64(s.bytes()-before) + 50) // the last answer, and nothing behind it
	s.answer(map[int]float64{3: 5})
	require.Eventually(t, func() bool { return s.status().Stalled() && s.status().Answered == 4 }, waitFor, pollEvery)
	require.Contains(t, s.status().Reason, "the run log is full")
	s.limit(64 << 20)
	s.phase(runlog.PhaseClosed)
	require.Eventually(t, func() bool { return !s.status().Stalled() }, waitFor, pollEvery)
}

// A word of a stall that nobody says again is forgotten.
func TestAStallIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &driver{}
		require.True(t, d.stall(stall{why: "full", sure: true}))
		require.False(t, d.stall(stall{why: "full", sure: true}), "no news")
		<-time.After(stallHeard - time.Second)
		require.True(t, d.stalled.Load().fresh())
		require.False(t, d.stall(stall{why: "perhaps"}))
		require.Equal(t, "full", d.stalled.Load().why)
		<-time.After(time.Second)
		require.False(t, d.stalled.Load().fresh())
		require.True(t, d.stall(stall{why: "perhaps"}))
		require.Equal(t, "perhaps", d.stalled.Load().why)
	})
}
