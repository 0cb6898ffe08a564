package bench

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// The limits are those of whole messages, through a broker that is set up as Myriad's own.
func TestRates(t *testing.T) {
	for what, size := range map[string]float64{"broker": requestBytes, "log": recordBytes} {
		t.Run(what, func(t *testing.T) {
			data := filepath.Join(t.TempDir(), "data")
			got, err := Child(t.Context(), what, 0, 0, data)
			require.NoError(t, err)
			require.Positive(t, got[MessageRate])
			require.InEpsilon(t, got[MessageRate]*size, got[ByteRate], 1e-9)
			require.InEpsilon(t, got[MessageRate]*1024, got[AgentRate], 1e-9)
			require.FileExists(t, filepath.Join(data, "lock"), "it is a real data directory")
		})
	}
}
