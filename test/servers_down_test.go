package test

import (
	"encoding/hex"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/fakevllm"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// One of two model servers dies and comes back, then both die and one comes back. Nothing is lost or recorded twice, the
// result is that of a run without a fault, and only what a dead server was working on is asked again.
func TestModelServersDieAndComeBack(t *testing.T) {
	t.Parallel()
	const agents, rounds, concurrency = 64, 2, 16
	options := fakevllm.Options{Deterministic: true, PerToken: 250 * time.Millisecond}
	plain := options
	plain.PerToken = 0
	_, quick := startVLLM(t, plain)
	undisturbed := startSystem(t, nil).play(t, control.Submission{Source: guessingOn("undisturbed", rounds, agents, "", "", quick)})

	for name, noBatch := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options
			o.NoBatch = noBatch
			a, urlA := startVLLM(t, o)
			b, urlB := startVLLM(t, o)
			s := up(t, t.TempDir())
			run := s.post(t, "", []byte(guessingOn("disturbed", rounds, agents, "concurrency: 16,", "", urlA, urlB)))

			// One of them dies.
			still(t, 2*concurrency, a, b)
			lost := a.Stats().InFlight
			require.Equal(t, concurrency, lost)
			a.Kill()
			byB := b.Stats().Completions
			require.Eventually(t, func() bool { return b.Stats().Completions > byB }, patience, often)
			require.NoError(t, a.Revive())
			byA := a.Stats().Completions
			require.Eventually(t, func() bool { return a.Stats().Completions > byA }, patience, often, "the server that came back is not asked")

			// Both die in the second round.
			require.Eventually(t, func() bool { return whole(a, b).Asked > uint64(agents+lost) }, patience, often)
			lost += still(t, concurrency, a, b).InFlight
			a.Kill()
			b.Kill()
			began := time.Now()
			var info runAnswer
			require.Eventually(t, func() bool {
				info = s.state(t, run)
				return info.State == "paused"
			}, patience, often)
			t.Logf("said after %v that the run waits", time.Since(began))
			require.True(t, info.Waiting)
			require.Contains(t, info.Reason, "model player: no server can be reached: ")
			require.Contains(t, info.Reason, "connection re") // refused, or reset
			require.Less(t, info.Answered, agents)

			// One comes back, and the run goes on by itself.
			require.NoError(t, b.Revive())
			events := s.events(t, run)
			info = s.state(t, run)
			require.Equal(t, "finished", info.State)
			require.False(t, info.Waiting)
			var kinds []string
			for _, e := range events {
				switch e.kind {
				case "paused":
					require.Contains(t, e.data, `"waiting":true`)
					require.Contains(t, e.data, "no server can be reached")
					kinds = append(kinds, e.kind)
				case "resumed":
					require.Contains(t, e.data, "model player: a server is back")
					kinds = append(kinds, e.kind)
				}
			}
			require.Equal(t, []string{"paused", "resumed"}, kinds)

			require.Equal(t, hex.EncodeToString(undisturbed.Hash), answersOnce(t, s.jetStream(t), run))
			st := whole(a, b)
			require.Equal(t, uint64(lost), st.Aborted)
			require.Equal(t, uint64(agents*rounds+lost), st.Asked, "asked again: what the dead servers worked on, and nothing else")
			receipt := info.Summary.Receipt
			require.Zero(t, receipt.Lost)
			require.Zero(t, receipt.Duplicates)
			require.Zero(t, receipt.RepeatedCalls, "the host did not have to ask again")
			require.GreaterOrEqual(t, receipt.Retries, lost)
			require.LessOrEqual(t, receipt.Retries, lost+concurrency, "calls of the first may have reached the second as it died")
			require.Equal(t, 1, receipt.Faults)
			require.Contains(t, s.get(t, "/v1/runs/"+run+"/report"), "Calls repeated")
			require.Equal(t, http.StatusOK, s.do(t, http.MethodGet, "/v1/runs/"+run+"/results?format=csv", nil).status)
		})
	}
}

// A person who stops a run that waits has the last word.
func TestPauseOfARunThatWaits(t *testing.T) {
	t.Parallel()
	server, url := startVLLM(t, fakevllm.Options{PerToken: time.Second})
	sys := startSystem(t, nil)
	run := sys.submit(t, control.Submission{Source: guessingOn("stopped", 1, 20, "", "", url)})
	still(t, 20, server)
	server.Kill()
	st := sys.settled(t, run)
	require.True(t, st.Waiting)
	require.False(t, sys.order(t, control.Pause, control.Order{Run: run, Reason: "enough"}).Waiting)
	require.NoError(t, server.Revive())
	require.Eventually(t, func() bool { return server.Stats().Completions == 20 }, patience, often, "what was asked is still wanted")
	require.Equal(t, "paused", sys.order(t, control.Status, control.Order{Run: run}).State)
	sys.order(t, control.Resume, control.Order{Run: run, Reason: "now"})
	st = sys.settled(t, run)
	require.Equal(t, "finished", st.Status(), st.Reason)
	require.Equal(t, uint64(20), st.Accepted)
	var resumed int
	require.NoError(t, runlog.Read(t.Context(), sys.js, 0, []string{subjects.LogCtl(run, subjects.KindResumed)}, func(runlog.Entry) error {
		resumed++
		return nil
	}))
	require.Equal(t, 1, resumed)
}
