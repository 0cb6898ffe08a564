package coordinator

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// A coordinator that says it will soon drive a run is waited for, but not for ever.
func TestSoonIsNotForEver(t *testing.T) {
	var w word
	now := time.Now()
	for _, c := range []struct {
		answer string
		after  time.Duration
		drives bool
	}{
		{peerSoon, 0, true}, {peerSoon, peerPatience - 1, true}, {peerSoon, peerPatience, false},
		{peerYes, 2 * peerPatience, true}, {peerSoon, 3 * peerPatience, true}, {"", 3*peerPatience + 1, false}, {peerNo, 4 * peerPatience, false},
	} {
		w.hear(c.answer, now.Add(c.after))
		require.Equal(t, c.drives, w.drives, c)
		require.Equal(t, now.Add(c.after), w.at)
	}
}

// Who has recorded a run and does not see it yet does not say that it has nothing to do with it: another that saw it first would
// take it for gone.
func TestWhoHasRecordedARunDrivesItSoon(t *testing.T) {
	s := newTheatre(t)
	c := s.coordinator("c1", true)
	require.Equal(t, peerSoon, c.askPeer(t.Context(), peerRun{"c1", "recorded"}))
	c.giveUp(t.Context(), "damaged", runlog.ErrDamaged)
	require.Equal(t, peerNo, c.askPeer(t.Context(), peerRun{"c1", "damaged"}))
	require.Empty(t, c.askPeer(t.Context(), peerRun{"nobody", "recorded"}))
	s.host("i1")
	s.submit("")
	s.open(1, 0)
	require.Equal(t, peerYes, c.askPeer(t.Context(), peerRun{"c1", s.fold.Run}))
	_, err := runlog.AppendControl(t.Context(), s.js, runlog.Header{Kind: subjects.KindCreated, Run: "old", Writer: "c0"},
		runlog.Created{Name: "guess", File: "game.yaml", Source: []byte(game), Agents: 4, ShardSize: 2}, 0)
	require.NoError(t, err)
	s.end(c)
	held := s.coordinator("c2", false)
	require.Eventually(t, func() bool { return held.askPeer(t.Context(), peerRun{"c2", "old"}) == peerNo }, waitFor, pollEvery, "held until it is resumed")
}
