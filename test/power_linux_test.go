package test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// disk is an ext4 file system of its own, in a file, that can lose its power: what was not synced is then gone for good.
type disk struct{ image, at string }

// newDisk makes a file system, or skips the test where that is not allowed.
func newDisk(t testing.TB) *disk {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a file system whose power can be cut needs root, to mount it")
	}
	dir := t.TempDir()
	d := &disk{image: filepath.Join(dir, "image"), at: filepath.Join(dir, "disk")}
	require.NoError(t, os.WriteFile(d.image, nil, 0o600))
	require.NoError(t, os.Truncate(d.image, 1<<30))
	require.NoError(t, os.Mkdir(d.at, 0o700))
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", d.image).CombinedOutput(); err != nil {
		t.Skipf("no ext4 file system can be made here: %v: %s", err, out)
	}
	if out, err := exec.Command("mount", "-o", "loop", d.image, d.at).CombinedOutput(); err != nil {
		t.Skipf("no file system can be mounted here: %v: %s", err, out)
	}
	t.Cleanup(func() { require.NoError(t, exec.Command("umount", d.at).Run()) })
	return d
}

// powerOff has the file system forget all that is not on disk and refuse everything from now on, as fstests do it: the ioctl
// EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH.
func (d *disk) powerOff(t testing.TB) {
	t.Helper()
	const shutdown, noLogFlush = 0x8004587d, 2
	f, err := os.Open(d.at)
	require.NoError(t, err)
	defer f.Close()
	flags := uint32(noLogFlush)
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), shutdown, uintptr(unsafe.Pointer(&flags))) //nolint:gosec // an ioctl takes a pointer
	require.Zero(t, errno, "EXT4_IOC_SHUTDOWN: %v", errno)
}

// powerOn mounts it again: the journal is played back. Nobody may have files open there any more.
func (d *disk) powerOn(t testing.TB) {
	t.Helper()
	for _, args := range [][]string{{"umount", d.at}, {"mount", "-o", "loop", d.image, d.at}} {
		out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
		require.NoError(t, err, "%v: %s", args, out)
	}
}

// The power of the disk fails at random moments while a run is going and a client writes. Whatever was acknowledged before is
// there afterwards, and the run ends as if nothing had happened.
func TestPowerLoss(t *testing.T) {
	const cuts = 4
	d := newDisk(t)
	fast := scenario.Overrides{Set: map[string]string{"models.sleeper.latency": "0s"}}
	want := startSystem(t, nil).play(t, control.Submission{Source: powerScenario, Overrides: fast})

	plan := rand.New(rand.NewPCG(*powerSeed, 0)) //nolint:gosec // not a secret
	c := call{dir: d.at, env: []string{"MYRIAD_AGENTHOST_IN_FLIGHT=400", "MYRIAD_AGENTHOST_BATCH=50"}}
	s := c.up(t)
	run := s.post(t, "", []byte(powerScenario))
	acked := uint64(0)
	for range cuts {
		w := writeOn(t, s.jetStream(t), acked)
		wait := time.NewTimer(200*time.Millisecond + time.Duration(plan.Int64N(int64(700*time.Millisecond))))
		<-wait.C
		info := s.state(t, run)
		require.Equal(t, "running", info.State)
		acked = w.acked.Load() // before the power goes: what is acknowledged meanwhile may be lost in flight
		d.powerOff(t)
		require.NoError(t, s.cmd.Process.Kill())
		<-s.done
		w.end()
		d.powerOn(t)
		s = c.up(t)
		got := stored(t, s.jetStream(t))
		t.Logf("round %d: %d records acknowledged when the power failed, %d there", info.Round, acked, got)
		require.GreaterOrEqual(t, got, acked)
		require.Positive(t, acked)
		acked = got
	}
	s.events(t, run)
	require.Equal(t, fmt.Sprintf("%x", want.Hash), accounted(t, s.jetStream(t), run))
	require.Zero(t, s.stop(t))
}

// The same with a NATS server as it is by default, which syncs every two minutes: this is what a run would lose, and shows that
// the power really fails.
func TestPowerLossOfAServerThatDoesNotSync(t *testing.T) {
	d := newDisk(t)
	open := func() (*server.Server, jetstream.JetStream, *nats.Conn) {
		ns, err := server.NewServer(&server.Options{JetStream: true, StoreDir: d.at, DontListen: true, NoSigs: true, NoLog: true})
		require.NoError(t, err)
		ns.Start()
		require.True(t, ns.ReadyForConnections(patience))
		nc, err := nats.Connect("", nats.InProcessServer(ns))
		require.NoError(t, err)
		js, err := jetstream.New(nc)
		require.NoError(t, err)
		return ns, js, nc
	}
	ns, js, nc := open()
	stream := jetstream.StreamConfig{Name: powerStream, Subjects: []string{powerSubject}}
	_, err := js.CreateStream(t.Context(), stream)
	require.NoError(t, err)
	syscall.Sync() // the stream is there
	w := writeOn(t, js, 0)
	require.Eventually(t, func() bool { return w.acked.Load() > 2000 }, patience, often)
	acked := w.acked.Load()
	d.powerOff(t)
	nc.Close()
	ns.Shutdown()
	ns.WaitForShutdown()
	w.end()
	d.powerOn(t)

	ns, js, nc = open()
	got := stored(t, js)
	nc.Close()
	ns.Shutdown()
	ns.WaitForShutdown()
	t.Logf("%d records acknowledged when the power failed, %d there", acked, got)
	require.Less(t, got, acked, "the server does not sync, and yet nothing was lost: this file system does not lose its power")
}
