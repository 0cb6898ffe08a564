package bus_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

func TestServerWithoutListenerServesThisProcessOnly(t *testing.T) {
	s := start(t, t.TempDir())
	require.Empty(t, s.URL())
	require.Empty(t, s.Addr())
	nc, _ := connect(t, s)
	require.Equal(t, int64(bus.MaxPayload), nc.MaxPayload())
	require.NoError(t, nc.Flush())
}

func TestServerListensOnLoopback(t *testing.T) {
	s, err := bus.StartServer(t.Context(), bus.ServerConfig{DataDir: t.TempDir(), Listen: "127.0.0.1:0", Log: logger(t)})
	require.NoError(t, err)
	defer s.Stop()
	nc, err := nats.Connect(s.URL())
	require.NoError(t, err)
	defer nc.Close()
	require.NoError(t, nc.Flush())
	host, _, err := net.SplitHostPort(s.Addr())
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1", host)
}

func TestServerRefusesOtherInterfaces(t *testing.T) {
	for _, addr := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:4222", "example.org:4222", "127.0.0.1.example.org:4222"} {
		_, err := bus.StartServer(t.Context(), bus.ServerConfig{DataDir: t.TempDir(), Listen: addr, Log: logger(t)})
		require.ErrorIs(t, err, bus.ErrNotLoopback, addr)
		require.ErrorContains(t, err, "--keys DIR", "it says what to do instead")
	}
}

func TestServerRefusesBadAddresses(t *testing.T) {
	for _, addr := range []string{"127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", "127.0.0.1:-1"} {
		_, err := bus.StartServer(t.Context(), bus.ServerConfig{DataDir: t.TempDir(), Listen: addr, Log: logger(t)})
		require.ErrorIs(t, err, bus.ErrServer, addr)
		require.ErrorContains(t, err, "--nats")
	}
}

func TestServerNamesTheTakenPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	dir := t.TempDir()
	addr := l.Addr().String()
	_, err = bus.StartServer(t.Context(), bus.ServerConfig{DataDir: dir, Listen: addr, Log: logger(t)})
	require.ErrorIs(t, err, bus.ErrPortTaken)
	require.ErrorContains(t, err, addr)
	require.ErrorContains(t, err, "--nats")
	start(t, dir) // the directory is not left locked
}

func TestDataDirBelongsToOneServer(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	_, err := bus.StartServer(t.Context(), bus.ServerConfig{DataDir: dir, Log: logger(t)})
	require.ErrorIs(t, err, bus.ErrDataInUse)
	require.ErrorContains(t, err, fmt.Sprintf("process %d", os.Getpid()))
	require.ErrorContains(t, err, dir)
	require.ErrorContains(t, err, "--data")
	s.Stop()
	s.Stop() // a second Stop does nothing
	start(t, dir)
}

// TestDataDirIsFreeAfterAKill locks the directory from another process, which
// is then killed.
func TestDataDirIsFreeAfterAKill(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHelperHoldDataDir$")
	cmd.Env = append(os.Environ(), "HOLD_DATA_DIR="+dir)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	ready := make([]byte, len("holding"))
	_, err = out.Read(ready)
	require.NoError(t, err)
	require.Equal(t, "holding", string(ready))

	_, err = bus.StartServer(t.Context(), bus.ServerConfig{DataDir: dir, Log: logger(t)})
	require.ErrorIs(t, err, bus.ErrDataInUse)
	require.ErrorContains(t, err, fmt.Sprintf("process %d", cmd.Process.Pid))
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	start(t, dir)
}

// TestHelperHoldDataDir is the other process of the test above.
func TestHelperHoldDataDir(t *testing.T) {
	dir := os.Getenv("HOLD_DATA_DIR")
	if dir == "" {
		t.Skip("runs in a process of its own")
	}
	start(t, dir)
	fmt.Print("holding")
	<-t.Context().Done() // until killed
}

func TestDataDirOfAnotherFormatIsRefusedAndKept(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "VERSION")
	require.NoError(t, os.WriteFile(file, []byte("2\n"), 0o600))
	_, err := bus.StartServer(t.Context(), bus.ServerConfig{DataDir: dir, Log: logger(t)})
	require.ErrorIs(t, err, bus.ErrDataVersion)
	require.ErrorContains(t, err, `"2"`)
	require.NoDirExists(t, filepath.Join(dir, "nats"), "nothing is written into it")

	require.NoError(t, os.Remove(file))
	start(t, dir)
	got, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "1", strings.TrimSpace(string(got)))
}

func TestDataDirThatCannotBeMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for _, dir := range []string{"", file, filepath.Join(file, "below")} {
		_, err := bus.StartServer(t.Context(), bus.ServerConfig{DataDir: dir, Log: logger(t)})
		require.ErrorIs(t, err, bus.ErrDataDir, dir)
	}
}

func TestStartEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	_, err := bus.StartServer(ctx, bus.ServerConfig{DataDir: dir, Log: logger(t)})
	require.ErrorIs(t, err, bus.ErrServer)
	require.ErrorIs(t, err, context.Canceled)
	start(t, dir) // nothing of it is left
}

func TestAcknowledgedMessagesSurviveAStop(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	_, js := connect(t, s)
	require.NoError(t, bus.Provision(t.Context(), js, bus.Options{}))
	const n = 100
	for i := range n {
		_, err := js.Publish(t.Context(), "myriad.run.r1.log.answer.0", fmt.Appendf(nil, "%d", i))
		require.NoError(t, err)
	}
	s.Stop()
	_, js = connect(t, start(t, dir))
	stream, err := js.Stream(t.Context(), subjects.StreamLog)
	require.NoError(t, err)
	require.Equal(t, uint64(n), stream.CachedInfo().State.Msgs)
	m, err := stream.GetMsg(t.Context(), n)
	require.NoError(t, err)
	require.Equal(t, "99", string(m.Data))
}

// TestEveryAcknowledgementIsSynced reads the setting from the server itself.
func TestEveryAcknowledgementIsSynced(t *testing.T) {
	s := start(t, t.TempDir())
	require.True(t, bus.SyncsAlways(s))
}

var _ nats.InProcessConnProvider = (*bus.Server)(nil)
