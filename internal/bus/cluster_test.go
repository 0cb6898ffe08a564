package bus_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// TestProvisionOnACluster holds that streams have three copies in a cluster without being told, that those from a time with
// fewer get as many and keep what they hold, and that a number that was set is what counts.
func TestProvisionOnACluster(t *testing.T) {
	c := natstest.StartCluster(t)
	js := c.JetStream(t)
	replicas := func(name string) int { return streamConfig(t, js, name).Replicas }
	require.Equal(t, 3, replicas(subjects.StreamLog))

	const kept = "myriad.run.r.log.ctl.created"
	ack, err := js.Publish(t.Context(), kept, []byte("kept"))
	require.NoError(t, err)
	for _, name := range []string{subjects.StreamLog, "KV_" + subjects.BucketRuns, "OBJ_" + subjects.StorePersonas} {
		cfg := streamConfig(t, js, name)
		cfg.Replicas = 1
		_, err := js.UpdateStream(t.Context(), cfg)
		require.NoError(t, err)
	}
	require.NoError(t, bus.Provision(t.Context(), js, bus.Options{Replicas: 1}))
	require.Equal(t, 1, replicas(subjects.StreamLog), "as it was told")
	require.NoError(t, bus.Provision(t.Context(), js, bus.Options{}))
	for _, name := range []string{subjects.StreamLog, "KV_" + subjects.BucketRuns, "OBJ_" + subjects.StorePersonas} {
		require.Equal(t, 3, replicas(name), name)
	}
	c.Whole(t)
	s, err := js.Stream(t.Context(), subjects.StreamLog)
	require.NoError(t, err)
	m, err := s.GetLastMsgForSubject(t.Context(), kept)
	require.NoError(t, err)
	require.Equal(t, ack.Sequence, m.Sequence)
}
