package hosts_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/internal/hosts"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

func TestRegister(t *testing.T) {
	js := natstest.Start(t).JetStream(t)
	kv, err := js.KeyValue(t.Context(), subjects.BucketHosts)
	require.NoError(t, err)
	list, err := hosts.List(t.Context(), kv)
	require.NoError(t, err)
	require.Empty(t, list)

	a1 := hosts.Beat{ID: "a", Incarnation: "a 1.*", Address: "here", PID: 7, Started: time.Unix(1, 0).UTC(), Agents: 1, CPUs: 2, MemoryBytes: 1 << 40}
	a2 := hosts.Beat{ID: "a", Incarnation: "a 2"}
	b := hosts.Beat{ID: "b", Incarnation: "0"}
	for _, beat := range []hosts.Beat{b, a2, a1} {
		require.NoError(t, hosts.Put(t.Context(), kv, beat))
	}
	a1.Agents, a1.InFlight = 5, 3
	require.NoError(t, hosts.Put(t.Context(), kv, a1))
	_, err = kv.Put(t.Context(), "stranger", []byte("not a beat"))
	require.NoError(t, err)
	_, err = kv.Put(t.Context(), "impostor", []byte(`{"id":"c","incarnation":"someone else"}`))
	require.NoError(t, err)
	list, err = hosts.List(t.Context(), kv)
	require.NoError(t, err)
	require.Equal(t, []hosts.Beat{a1, a2, b}, list)

	require.NoError(t, hosts.Remove(t.Context(), kv, a2.Incarnation))
	require.NoError(t, hosts.Remove(t.Context(), kv, "never there"))
	list, err = hosts.List(t.Context(), kv)
	require.NoError(t, err)
	require.Equal(t, []hosts.Beat{a1, b}, list)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = hosts.List(ctx, kv)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, hosts.Put(ctx, kv, b), context.Canceled)
	require.ErrorIs(t, hosts.Remove(ctx, kv, "0"), context.Canceled)
}

// Entries that nobody renews do not stay for ever.
func TestOldEntriesDisappear(t *testing.T) {
	js := natstest.Start(t, natstest.WithOptions(bus.Options{MaxBytes: 16 << 20, HostTTL: time.Second})).JetStream(t)
	kv, err := js.KeyValue(t.Context(), subjects.BucketHosts)
	require.NoError(t, err)
	require.NoError(t, hosts.Put(t.Context(), kv, hosts.Beat{ID: "silent", Incarnation: "1"}))
	require.Eventually(t, func() bool {
		require.NoError(t, hosts.Put(t.Context(), kv, hosts.Beat{ID: "alive", Incarnation: "2"}))
		list, err := hosts.List(t.Context(), kv)
		return err == nil && len(list) == 1 && list[0].ID == "alive"
	}, 20*time.Second, 50*time.Millisecond)
}
