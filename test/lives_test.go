package test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/host"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/pipeline"
)

// A program with agents, promises, a pipeline, a hub and an environment is opened and closed a hundred times. It leaves
// nothing behind in the process, and in each life it finds what it had in the one before.
func TestAHundredLivesOfAProgram(t *testing.T) {
	const lives = 100
	defer goleak.VerifyNone(t, append(natstest.Leftovers(), goleak.IgnoreCurrent())...)
	place := host.Local(testKinds()).In(t.TempDir())
	for i := range lives {
		live(t, place, i+1)
	}
}

func live(t *testing.T, place host.Place, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	w, err := host.Open(ctx, "lives", place, nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, w.Close(context.WithoutCancel(ctx))) }()
	hears, err := w.Agent(ctx, agent.Spec{Name: "hears", Kind: "ear"})
	require.NoError(t, err)
	speaks, err := w.Agent(ctx, agent.Spec{Name: "speaks", Kind: "dialog", Config: map[string]any{"lines": []string{"0"}}})
	require.NoError(t, err)
	steps, err := w.Agent(ctx, agent.Spec{Name: "steps", Kind: "step"})
	require.NoError(t, err)

	promised, err := pipeline.Sequential(ctx, msg.New("test", msg.RoleUser, msg.Text("Begin.")), speaks, steps, steps)
	require.NoError(t, err)
	out, err := w.Resolve(ctx, promised)
	require.NoError(t, err)
	require.Equal(t, "2", out.Content.String())

	count := w.Environment("world")
	require.NoError(t, count.Create(ctx, "state", nil))
	lives, err := count.Incr(ctx, "lives", 1)
	require.NoError(t, err)
	require.EqualValues(t, n, lives)

	room, err := w.Hub(ctx, "room")
	require.NoError(t, err)
	_, err = room.Add(ctx, hears.Address())
	require.NoError(t, err)
	_, err = room.Announce(ctx, msg.New("", "", msg.Text(fmt.Sprint(n))))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		got, err := hears.Reply(ctx)
		require.NoError(t, err)
		var heard ear
		require.NoError(t, got.Content.Decode(&heard))
		return heard.Count == n
	}, patience, often)
}
