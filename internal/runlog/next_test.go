package runlog_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

func TestAppendNextIsCompareAndSet(t *testing.T) {
	js := natstest.Start(t).JetStream(t)
	subject := subjects.LogCode("r1", "h1")
	add := func(text string, expect uint64) (uint64, error) {
		return runlog.AppendNext(t.Context(), js, subjects.StreamLog, subject, []byte(text), expect)
	}
	first, err := add("a", 0)
	require.NoError(t, err)
	_, err = runlog.AppendNext(t.Context(), js, subjects.StreamLog, subjects.LogEnv("r1", "w"), []byte("x"), 0)
	require.NoError(t, err, "other subjects are not in its way")
	second, err := add("b", first)
	require.NoError(t, err)
	_, err = add("other", first)
	require.ErrorIs(t, err, runlog.ErrConflict)
	again, err := add("b", first)
	require.NoError(t, err, "its own record is no conflict: the acknowledgement may have been lost")
	require.Equal(t, second, again)

	_, err = add(string(make([]byte, bus.MaxPayload+1)), second)
	require.ErrorIs(t, err, runlog.ErrTooLarge)
	_, err = runlog.AppendNext(t.Context(), js, subjects.StreamHub, subject, nil, second)
	require.ErrorContains(t, err, "stream", "a subject of another stream is refused for good")
}

// While the broker is away an append waits, and then every record is there once and in order.
func TestAppendNextWaitsForTheBroker(t *testing.T) {
	srv := natstest.Start(t)
	js := srv.JetStream(t)
	subject := subjects.LogCode("r1", "h1")
	const n = 60
	failed := make(chan error, 1)
	go func() {
		var last uint64
		for i := range n {
			var err error
			if last, err = runlog.AppendNext(t.Context(), js, subjects.StreamLog, subject, fmt.Append(nil, i), last); err != nil {
				failed <- err
				return
			}
		}
		failed <- nil
	}()
	for range 3 {
		srv.Kill(t)
		srv.Restart(t)
	}
	require.NoError(t, <-failed)
	var got []string
	require.NoError(t, runlog.Read(t.Context(), srv.JetStream(t), 0, []string{subject}, func(e runlog.Entry) error {
		got = append(got, string(e.Data))
		return nil
	}))
	require.Len(t, got, n)
	for i := range n {
		require.Equal(t, fmt.Sprint(i), got[i])
	}

	srv.Kill(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := runlog.AppendNext(ctx, js, subjects.StreamLog, subject, []byte("late"), 0)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}
