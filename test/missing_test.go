package test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/report"
	"github.com/myriad-sim/myriad/internal/results"
	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// smaller makes a run of the model scenario quick.
func smaller(agents, rounds int) control.Submission {
	return control.Submission{Overrides: scenario.Overrides{Agents: &agents, Rounds: &rounds}}
}

const garbage = "The question is as deep as the sea, my friend."

// Without a single valid answer there is nothing to go on with: the run pauses, and asks again when it is resumed.
func TestNoValidAnswerPauses(t *testing.T) {
	var sane atomic.Bool
	server := startModelServer(t, func(a ask) reply {
		if sane.Load() {
			return reply{text: meant(a.agent, a.round)}
		}
		return reply{text: garbage}
	})
	sys := startSystem(t, nil)
	in := smaller(20, 2)
	in.Source = fmt.Sprintf(modelScenario, "garbage", server.url, "")
	run := sys.submit(t, in)

	st := sys.settled(t, run)
	require.Equal(t, "paused", st.Status())
	require.Contains(t, st.Reason, "no valid answer")
	require.Len(t, server.times(7, 1), 2) // asked, and asked again with what was wrong

	// Nothing has changed: it pauses again, after asking again.
	sys.order(t, control.Resume, control.Order{Run: run})
	st = sys.settled(t, run)
	require.Equal(t, "paused", st.Status())
	require.Contains(t, st.Reason, "no valid answer")
	require.Len(t, server.times(7, 1), 4)

	sane.Store(true)
	sys.order(t, control.Resume, control.Order{Run: run})
	st = sys.settled(t, run)
	require.Equal(t, "finished", st.Status(), st.Reason)
	require.Len(t, server.times(7, 1), 5)
	sum := results.Summary(st)
	require.Zero(t, sum.Receipt.Lost)
	require.Len(t, sum.Rounds, 2)
	for _, r := range sys.rows(t, st) {
		require.Equal(t, stats.Answered, r.Status)
		require.Equal(t, meant(r.Agent, r.Round), r.Value.String())
	}
}

// half of the agents never say anything useful.
func half(a ask) reply {
	if a.agent%2 == 1 {
		return reply{text: garbage}
	}
	return reply{text: meant(a.agent, a.round)}
}

// What happens to answers that cannot be had is up to the scenario.
func TestMissingAnswers(t *testing.T) {
	server := startModelServer(t, half)
	sys := startSystem(t, nil)
	submission := func(rule string) control.Submission {
		in := smaller(40, 2)
		in.Source = fmt.Sprintf(modelScenario, "missing", server.url, rule)
		return in
	}

	t.Run("left out", func(t *testing.T) {
		st := sys.play(t, submission(""))
		for _, r := range results.Summary(st).Rounds {
			require.Equal(t, 40, r.Questions["guess"].Answers)
			require.Equal(t, 20, r.Questions["guess"].Valid)
			require.Equal(t, 20, r.Questions["guess"].Missing)
		}
		for _, r := range sys.rows(t, st) {
			if r.Agent%2 == 1 {
				require.Equal(t, stats.Missing, r.Status)
				require.Equal(t, report.Value{}, r.Value)
				require.Equal(t, garbage, r.Raw)
			}
		}
	})
	t.Run("a value instead", func(t *testing.T) {
		st := sys.play(t, submission("missing: {then: {value: 10 + round}}"))
		for _, r := range results.Summary(st).Rounds {
			require.Equal(t, 40, r.Questions["guess"].Valid)
			require.Equal(t, 20, r.Questions["guess"].Fallback)
		}
		for _, r := range sys.rows(t, st) {
			if r.Agent%2 == 1 {
				require.Equal(t, stats.Fallback, r.Status)
				require.Equal(t, fmt.Sprintf("%d.00", 10+r.Round), r.Value.String())
			}
		}
	})
	t.Run("too few", func(t *testing.T) {
		in := submission("missing: {min_valid: 0.6}")
		run := sys.submit(t, in)
		st := sys.settled(t, run)
		require.Equal(t, "paused", st.Status())
		require.Contains(t, st.Reason, "50.0 %")
		require.Contains(t, st.Reason, "60.0 %")
		sys.order(t, control.Resume, control.Order{Run: run}) // goes on in spite of it, until the next round
		st = sys.settled(t, run)
		require.Equal(t, "paused", st.Status())
		require.Len(t, st.Rounds, 1)
		sys.order(t, control.Resume, control.Order{Run: run})
		require.Equal(t, "finished", sys.settled(t, run).Status())
	})
	t.Run("too few to go on", func(t *testing.T) {
		st := sys.settled(t, sys.submit(t, submission("missing: {min_valid: 0.6, below: fail}")))
		require.Equal(t, "failed", st.Status())
		require.Contains(t, st.Reason, "60.0 %")
	})
}
