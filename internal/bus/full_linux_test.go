package bus_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// said collects what is logged.
type said struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// smallDisk mounts a file system of 200 MB in memory, or skips the test where that is not allowed.
func smallDisk(t *testing.T) string {
	t.Helper()
	mount := t.TempDir()
	if err := syscall.Mount("tmpfs", mount, "tmpfs", 0, "size=200m"); err != nil {
		t.Skipf("no small file system to fill: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(mount, 0)) })
	return mount
}

// ballast leaves 8 MiB of a file system free, and returns the file that has the rest.
func ballast(t *testing.T, mount string) string {
	t.Helper()
	var stat syscall.Statfs_t
	require.NoError(t, syscall.Statfs(mount, &stat))
	path := filepath.Join(mount, "ballast")
	require.NoError(t, os.WriteFile(path, make([]byte, stat.Bavail*uint64(stat.Bsize)-(8<<20)), 0o600)) //nolint:gosec // sizes
	return path
}

// A disk that is full stops everything with a clear word, and nothing that was acknowledged is lost; once there is room again
// publishers go on where they were.
func TestDiskFull(t *testing.T) {
	mount := smallDisk(t)
	var log said
	s, err := bus.StartServer(t.Context(), bus.ServerConfig{DataDir: filepath.Join(mount, "data"), Log: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	defer s.Stop()
	nc, js := connect(t, s)
	require.NoError(t, bus.Provision(t.Context(), js, bus.Options{MaxBytes: 100 << 20}))
	ballast := ballast(t, mount)

	stored := 0
	publish := func(within time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		_, err := js.Publish(ctx, subjects.LogAnswer("a", 1), bytes.Repeat([]byte{0x98}, 400<<10))
		if err == nil {
			stored++
		}
		return err
	}
	for err = nil; err == nil; err = publish(time.Second) {
		require.Less(t, stored, 100, "the disk is larger than it was made")
	}
	require.Eventually(t, func() bool { return bytes.Contains([]byte(log.String()), []byte("DISK FULL")) }, 10*time.Second, 20*time.Millisecond)
	require.Error(t, publish(500*time.Millisecond))

	require.NoError(t, os.Remove(ballast))
	require.Eventually(t, func() bool { return publish(time.Second) == nil }, 20*time.Second, 20*time.Millisecond)
	require.Contains(t, log.String(), "going on")
	require.True(t, nc.IsConnected())
	var last jetstream.Stream
	require.Eventually(t, func() bool {
		last, err = js.Stream(t.Context(), subjects.StreamLog)
		return err == nil
	}, 20*time.Second, 20*time.Millisecond)
	for seq := range uint64(stored) { // those that were acknowledged are all there, one that was not may be
		_, err := last.GetMsg(t.Context(), seq+1)
		require.NoError(t, err, "record %d of %d", seq+1, stored)
	}
}
