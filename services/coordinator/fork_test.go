package coordinator

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

func TestOverridesOfAFork(t *testing.T) {
	was := scenario.Overrides{
		Agents: new(7), Rounds: new(3), Models: map[string]string{"a": "levelk:1", "b": "dummy:1s"},
		Set: map[string]string{"vars.x": "1", "models.a.tau": "2", "models.b.latency": "3s", "modelsx.a": "4"},
	}
	got := onTop(was, scenario.Overrides{Rounds: new(9), Seed: new(uint64(5)), Models: map[string]string{"a": "dummy:2s"}, Set: map[string]string{"vars.x": "8", "models.a.latency": "1s"}})
	require.Equal(t, scenario.Overrides{
		Agents: new(7), Rounds: new(9), Seed: new(uint64(5)), Models: map[string]string{"a": "dummy:2s", "b": "dummy:1s"},
		Set: map[string]string{"vars.x": "8", "models.a.latency": "1s", "models.b.latency": "3s", "modelsx.a": "4"},
	}, got)
	require.Equal(t, "2", was.Set["models.a.tau"], "the order of the run itself is as it was")
	require.Equal(t, was, onTop(was, scenario.Overrides{}))
}

func TestWhichErrorsAreOfTheLog(t *testing.T) {
	require.True(t, unsound(runlog.ErrDamaged))
	require.True(t, unsound(runlog.ErrDigest))
	require.False(t, unsound(runlog.ErrNoRun))
	require.False(t, unsound(nil))
	p := problem(&runlog.RefusalError{Field: "agents", Reason: "too many"})
	require.Equal(t, &control.Problem{Code: codeInvalid, Detail: "agents: too many"}, p)
}
