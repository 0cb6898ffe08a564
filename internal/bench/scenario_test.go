package bench

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/examples"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// The scenario is a million agents whose prompt says who they are, and plays with every model that is measured.
func TestScenario(t *testing.T) {
	sc, err := scenario.Load("million.yaml", examples.Million, scenario.Overrides{})
	require.NoError(t, err)
	require.Equal(t, 1_000_000, sc.Population.Size)
	require.Equal(t, 1, sc.Rounds)
	require.Len(t, sc.Population.Distributions, 2)
	for _, d := range sc.Population.Distributions {
		require.Contains(t, string(examples.Million), "{{.persona."+d.Name+"}}")
	}
	require.Equal(t, time.Second, time.Duration(sc.Model("player").Latency))
	for spec, provider := range map[string]string{(&lab{latency: 50 * time.Millisecond}).sleeper(): "dummy", zeroModel: "dummy", levelkModel: "levelk"} {
		name, value, _ := strings.Cut(spec, "=")
		sc, err := scenario.Load("million.yaml", examples.Million, scenario.Overrides{Models: map[string]string{name: value}})
		require.NoError(t, err, spec)
		require.Equal(t, provider, sc.Model("player").Provider)
	}
}
