package remote_test

import (
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/population"
	"github.com/myriad-sim/myriad/internal/population/remote"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

func TestStoreAndLoad(t *testing.T) {
	js := natstest.Start(t).JetStream(t)
	store, err := js.ObjectStore(t.Context(), subjects.StorePersonas)
	require.NoError(t, err)
	// More than one chunk of the store.
	p, err := population.Draw(t.Context(), spec(300_000), nil)
	require.NoError(t, err)

	hash, size, err := remote.Store(t.Context(), store, p)
	require.NoError(t, err)
	require.Equal(t, spec(300_000).Hash(), hash)
	require.Equal(t, len(p.Encode()), size)
	got, err := remote.Load(t.Context(), js, hash)
	require.NoError(t, err)
	require.Equal(t, p.Encode(), got.Encode())

	for _, missing := range []string{"", spec(4).Hash()} {
		_, err = remote.Load(t.Context(), js, missing)
		require.ErrorIs(t, err, remote.ErrNotFound)
	}

	_, err = store.PutBytes(t.Context(), spec(4).Hash(), p.Encode())
	require.NoError(t, err)
	_, err = remote.Load(t.Context(), js, spec(4).Hash())
	require.ErrorIs(t, err, remote.ErrMismatch)

	_, err = store.PutBytes(t.Context(), hash, p.Encode()[1:])
	require.NoError(t, err)
	_, err = remote.Load(t.Context(), js, hash)
	require.ErrorIs(t, err, population.ErrDamaged)

	require.NoError(t, js.DeleteObjectStore(t.Context(), subjects.StorePersonas))
	_, err = remote.Load(t.Context(), js, hash)
	require.ErrorIs(t, err, jetstream.ErrBucketNotFound)
}
