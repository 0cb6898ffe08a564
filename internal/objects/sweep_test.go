package objects_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/objects"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

func TestMain(m *testing.M) { natstest.VerifyMain(m) }

// dying is a reader whose program is killed on the way: its connection is gone.
type dying struct {
	left int
	die  func()
}

func (d *dying) Read(p []byte) (int, error) {
	if d.left--; d.left < 0 {
		d.die()
		return 0, errors.New("killed")
	}
	return len(p), nil
}

var _ io.Reader = (*dying)(nil)

// What a killed writer leaves behind is removed once it is old enough, and nothing else.
func TestSweep(t *testing.T) {
	srv := natstest.Start(t)
	js := srv.JetStream(t)
	store, err := js.ObjectStore(t.Context(), subjects.StoreFiles)
	require.NoError(t, err)
	data := bytes.Repeat([]byte("x"), 300_000)
	_, err = store.PutBytes(t.Context(), "whole", data)
	require.NoError(t, err)

	nc := srv.Connect(t)
	other, err := jetstream.New(nc)
	require.NoError(t, err)
	theirs, err := other.ObjectStore(t.Context(), subjects.StoreFiles)
	require.NoError(t, err)
	killed, cancel := context.WithCancel(t.Context())
	_, err = theirs.Put(killed, jetstream.ObjectMeta{Name: "half"}, &dying{left: 5, die: func() {
		require.NoError(t, nc.Flush())
		cancel()
		nc.Close()
	}})
	require.Error(t, err)
	parts := func() int {
		s, err := js.Stream(t.Context(), "OBJ_"+subjects.StoreFiles)
		require.NoError(t, err)
		info, err := s.Info(t.Context(), jetstream.WithSubjectFilter("$O."+subjects.StoreFiles+".C.>"))
		require.NoError(t, err)
		return len(info.State.Subjects)
	}
	require.Equal(t, 2, parts())

	n, err := objects.Sweep(t.Context(), js, subjects.StoreFiles, time.Hour)
	require.NoError(t, err)
	require.Zero(t, n, "somebody may be writing it")
	require.Equal(t, 2, parts())
	n, err = objects.Sweep(t.Context(), js, subjects.StoreFiles, 0)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, 1, parts())
	got, err := store.GetBytes(t.Context(), "whole")
	require.NoError(t, err)
	require.Equal(t, data, got)
	_, err = objects.Sweep(t.Context(), js, "no-such-store", 0)
	require.Error(t, err)
}
