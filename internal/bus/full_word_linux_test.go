package bus_test

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// A disk with too little room for a batch counts as full, though nothing has failed to be written yet: the coordinator is told
// so again and again. When there is room that is said, and nobody is cut off.
func TestDiskAlmostFull(t *testing.T) {
	mount := smallDisk(t)
	var log said
	s, err := bus.StartServer(t.Context(), bus.ServerConfig{DataDir: filepath.Join(mount, "data"), Log: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	defer s.Stop()
	nc, js := connect(t, s)
	require.NoError(t, bus.Provision(t.Context(), js, bus.Options{MaxBytes: 100 << 20}))
	told := make(chan string, 8)
	sub, err := nc.Subscribe(subjects.Service(subjects.ServiceCoordinator, "trouble"), func(m *nats.Msg) {
		var word struct{ Run, From, Reason string }
		if err := json.Unmarshal(m.Data, &word); err != nil || word.Run != "" {
			t.Errorf("%s: %v", m.Data, err)
		}
		told <- word.From + ": " + word.Reason
		_ = m.Respond([]byte("{}"))
	})
	require.NoError(t, err)
	defer func() { _ = sub.Unsubscribe() }()

	ballast := ballast(t, mount)
	for range 2 {
		select {
		case word := <-told:
			require.Regexp(t, `^broker: the disk of the broker is full, \d+ MiB are free in .*/data and 64 needed`, word)
		case <-time.After(20 * time.Second):
			require.FailNow(t, "nobody was told")
		}
	}
	require.Equal(t, 1, strings.Count(log.String(), "DISK FULL"))
	_, err = js.Publish(t.Context(), subjects.LogAnswer("a", 1), []byte{1})
	require.NoError(t, err)

	require.NoError(t, os.Remove(ballast))
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "going on") }, 10*time.Second, 20*time.Millisecond)
	_, err = js.Publish(t.Context(), subjects.LogAnswer("a", 1), []byte{1})
	require.NoError(t, err)
	require.Zero(t, nc.Stats().Reconnects)
}
