package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
)

// Whoever looks at a run is told once why it waits, and that it goes on.
func TestPatience(t *testing.T) {
	var out strings.Builder
	scr := &screen{text: &out, width: 80}
	going := control.Info{State: "running", Round: 2}
	paused, over := going, going
	paused.State, paused.Reason, paused.Waiting = "paused", "model player: no server can be reached", true
	over.State = "finished"
	stalled := going
	stalled.Reason = control.Waits + "the run log is full"
	last := going
	for _, step := range []struct {
		next control.Info
		says string
	}{
		{going, ""},
		{stalled, "The run waits: the run log is full; it goes on by itself when there is room (Ctrl-C stops, resume goes on)\n"},
		{stalled, ""},
		{going, "Going on.\n"},
		{paused, "Waiting: model player: no server can be reached; the run goes on by itself when one is back (Ctrl-C stops, resume goes on)\n"},
		{stalled, "The run waits: the run log is full; it goes on by itself when there is room (Ctrl-C stops, resume goes on)\n"},
		{paused, "Waiting: model player: no server can be reached; the run goes on by itself when one is back (Ctrl-C stops, resume goes on)\n"},
		{going, "Going on.\n"},
		{stalled, "The run waits: the run log is full; it goes on by itself when there is room (Ctrl-C stops, resume goes on)\n"},
		{over, ""},
	} {
		out.Reset()
		scr.patience(last, step.next)
		require.Equal(t, step.says, out.String())
		last = step.next
	}
}
