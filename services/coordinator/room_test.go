package coordinator

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// journal is a log that a test reads.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

// count is how many lines have a text.
func (j *journal) count(text string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Count(j.text.String(), text)
}

func (j *journal) logger() *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }

// A full log is said once, with what to do, and so is that it has room again; then the next time.
func TestAFullLogIsSaid(t *testing.T) {
	const limit = leastRoom + 4096
	nat := natstest.Start(t, natstest.WithOptions(bus.Options{MaxBytes: limit}))
	js := nat.JetStream(t)
	var j journal
	svc, err := New(nat.InProcess(t), j.logger(), Config{ID: "test", ShardSize: 1})
	require.NoError(t, err)
	resize := func(bytes int64) {
		t.Helper()
		stream, err := js.Stream(t.Context(), subjects.StreamLog)
		require.NoError(t, err)
		cfg := stream.CachedInfo().Config
		cfg.MaxBytes = bytes
		_, err = js.UpdateStream(t.Context(), cfg)
		require.NoError(t, err)
	}
	said := func(full, room int) {
		t.Helper()
		require.Equal(t, []int{full, room}, []int{j.count("THE RUN LOG IS FULL"), j.count("the run log has room again")})
	}
	look := func(full bool) bool { return svc.lookForRoom(t.Context(), full) }

	full := look(false)
	require.False(t, full)
	_, err = js.Publish(t.Context(), subjects.LogAnswer("r1", 0), make([]byte, 8192), jetstream.WithExpectStream(subjects.StreamLog))
	require.NoError(t, err)
	said(0, 0)
	for range 2 {
		full = look(full)
		require.True(t, full)
		said(1, 0)
	}
	require.Equal(t, 1, j.count("nats stream edit MYRIAD_LOG --max-bytes"))
	resize(2 * limit)
	for range 2 {
		full = look(full)
		require.False(t, full)
		said(1, 1)
	}
	resize(limit)
	full = look(full)
	said(2, 1)

	nat.Kill(t)
	require.True(t, look(full), "nobody knows better now")
	said(2, 1)
	nat.Restart(t)
}

// A log without a limit is never full.
func TestALogWithoutLimit(t *testing.T) {
	k := newStack(t)
	var j journal
	svc, err := New(k.nat.InProcess(t), j.logger(), Config{ID: "test", ShardSize: 1})
	require.NoError(t, err)
	stream, err := k.js.Stream(t.Context(), subjects.StreamLog)
	require.NoError(t, err)
	cfg := stream.CachedInfo().Config
	cfg.MaxBytes = -1
	_, err = k.js.UpdateStream(t.Context(), cfg)
	require.NoError(t, err)
	_, err = k.js.Publish(t.Context(), subjects.LogAnswer("r1", 0), []byte{1})
	require.NoError(t, err)
	used, limit, err := svc.room(t.Context())
	require.NoError(t, err)
	require.Positive(t, used)
	require.Zero(t, limit)
	require.False(t, svc.lookForRoom(t.Context(), false))
}
