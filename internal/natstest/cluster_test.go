package natstest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

func TestClusterLosesAServerAndNothingElse(t *testing.T) {
	c := natstest.StartCluster(t)
	js := c.JetStream(t)
	for _, name := range []string{subjects.StreamLog, subjects.StreamHub, "KV_" + subjects.BucketHosts, "OBJ_" + subjects.StorePersonas} {
		s, err := js.Stream(t.Context(), name)
		require.NoError(t, err)
		require.Equal(t, 3, s.CachedInfo().Config.Replicas, name)
	}
	first, err := js.Publish(t.Context(), subject, []byte("before"))
	require.NoError(t, err)
	leader := c.Leader(t, subjects.StreamLog)
	c.Kill(t, leader)
	var last uint64
	require.Eventually(t, func() bool {
		ack, err := js.Publish(t.Context(), subject, []byte("without it"))
		if err == nil {
			last = ack.Sequence
		}
		return err == nil
	}, 30*time.Second, 100*time.Millisecond)
	require.NotEqual(t, leader, c.Leader(t, subjects.StreamLog))
	c.Restart(t, leader)
	c.Whole(t)
	requireStored(t, js, first.Sequence, "before")
	requireStored(t, js, last, "without it")
}
