package coordinator

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// What can be ordered when, and what is said where it cannot.
func TestOrders(t *testing.T) {
	s := newTheatre(t)
	s.host("i1")
	s.coordinator("c", true)
	code := func(endpoint string, in any) string {
		t.Helper()
		_, err := s.ask(endpoint, in)
		if p, ok := errors.AsType[*control.Problem](err); ok {
			return p.Code
		}
		require.NoError(t, err)
		return ""
	}
	for _, endpoint := range []string{control.Pause, control.Resume, control.Cancel, control.Status} {
		require.Equal(t, "not_found", code(endpoint, control.Order{Run: "nobody"}), endpoint)
		require.Equal(t, "invalid", code(endpoint, 7), endpoint)
	}
	require.Equal(t, "not_found", code(control.Trouble, runlog.Trouble{Run: "nobody"}))
	require.Equal(t, "invalid", code(control.Trouble, 7))
	require.Equal(t, "invalid", code(control.Submit, 7))
	require.Equal(t, "invalid", code(control.Submit, control.Submission{File: "t.yaml", Source: "version: 1"}))
	require.Equal(t, "invalid", code(control.Submit, control.Submission{File: "t.yaml", Source: game, ShardSize: 65537}))
	_, err := s.ask(control.Submit, control.Submission{File: "t.yaml", Source: game, Overrides: scenario.Overrides{}, ShardSize: 1})
	require.NoError(t, err)

	s.submit("")
	s.open(1, 0)
	run := control.Order{Run: s.fold.Run, Reason: "test"}
	require.Equal(t, "not_paused", code(control.Resume, run))
	require.Empty(t, code(control.Pause, run))
	require.Empty(t, code(control.Pause, run), "twice is no error")
	s.answer(all(5))
	s.catchUp()
	require.True(t, s.fold.Paused)
	require.True(t, s.fold.Complete())
	require.Empty(t, code(control.Resume, run))
	require.Equal(t, "not_paused", code(control.Resume, run))
	s.phase(runlog.PhaseClosed)
	require.Empty(t, s.fold.Faults, "a pause that was asked for is no fault")

	require.Empty(t, code(control.Trouble, runlog.Trouble{Run: s.fold.Run, From: "h", Reason: "no model"}))
	s.catchUp()
	require.True(t, s.fold.Paused)
	require.Equal(t, "no model", s.fold.Reason)
	require.Empty(t, code(control.Trouble, runlog.Trouble{Run: s.fold.Run, From: "h", Reason: "no way", Fatal: true}))
	s.catchUp()
	require.Equal(t, runlog.PhaseFailed, s.fold.Phase)
	require.Equal(t, "no way", s.fold.Reason)
	for _, endpoint := range []string{control.Pause, control.Resume, control.Cancel} {
		require.Equal(t, "over", code(endpoint, run), endpoint)
	}
	require.Empty(t, code(control.Trouble, runlog.Trouble{Run: s.fold.Run}), "it is over: no trouble any more")

	s.submit("")
	require.Empty(t, code(control.Cancel, control.Order{Run: s.fold.Run}))
	s.catchUp()
	require.Equal(t, runlog.PhaseCancelled, s.fold.Phase)
}

func TestRunIDs(t *testing.T) {
	seen := map[string]bool{}
	for name, start := range map[string]string{"Guess 2/3!": "guess-2-3-", "": "run-", "猜": "run-", strings.Repeat("ab ", 40): "ab-ab-"} {
		id := newID(name)
		require.True(t, strings.HasPrefix(id, start), id)
		require.Equal(t, id, subjects.Encode(id))
		require.LessOrEqual(t, len(id), 50)
		require.False(t, seen[id])
		seen[id] = true
	}
}
