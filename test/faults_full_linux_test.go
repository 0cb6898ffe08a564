package test

import (
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// smallDisk mounts a file system in memory of so many bytes, or skips the test where that is not allowed.
func smallDisk(t testing.TB, size string) string {
	t.Helper()
	at := t.TempDir()
	if err := syscall.Mount("tmpfs", at, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("no small file system to fill can be mounted here: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(at, 0)) })
	return at
}

// fill takes all there is of a file system, and what becomes free on it later, until room is called, which gives it all back.
func fill(t testing.TB, at string) (room func()) {
	t.Helper()
	f, err := os.Create(filepath.Join(at, "ballast"))
	require.NoError(t, err)
	take := func() (err error) {
		for size := 1 << 20; size > 0; size /= 16 {
			for err = nil; err == nil; {
				_, err = f.Write(make([]byte, size))
			}
		}
		return err
	}
	require.ErrorIs(t, take(), syscall.ENOSPC)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(often):
				_ = take() // whatever there is
			}
		}
	}()
	end := sync.OnceFunc(func() {
		close(stop)
		<-stopped
		require.NoError(t, f.Close())
	})
	t.Cleanup(end)
	return func() {
		end()
		require.NoError(t, os.Remove(f.Name()))
	}
}

// The disk is full in the middle of a run. The run waits, and says why; it goes on when there is room, to the same result.
func TestDiskFullInARun(t *testing.T) {
	t.Parallel()
	want := calmHash(t)
	at := smallDisk(t, "320m")
	c := call{dir: at, env: fewInFlight}
	s := c.up(t)
	run := s.post(t, "", []byte(faultScenario))
	require.Eventually(t, func() bool { return s.state(t, run).Round == 2 }, patience, often)
	room := fill(t, at)
	s.says(t, &s.err, "DISK FULL")

	s.waits(t, run, "waits: the disk of the broker is full")
	room()
	s.says(t, &s.err, "there is room on the disk again")
	s.endsAs(t, run, want)
	require.Zero(t, s.stop(t))
	require.Contains(t, c.run(t, "verify", run).ok(t), run+": intact")
}

// Whoever has started a run on a disk that is full then is told why it waits. They may stop it, make room, and resume it.
func TestDiskFullUnderACommand(t *testing.T) {
	t.Parallel()
	want := calmHash(t)
	at := smallDisk(t, "320m")
	require.NoError(t, os.WriteFile(filepath.Join(at, "faults.yaml"), []byte(faultScenario), 0o600))
	c := call{dir: at, env: fewInFlight}
	p := c.start(t, "run", "faults.yaml", "--out", "results")
	p.says(t, &p.out, "Round 1 closed")
	room := fill(t, at)
	p.says(t, &p.out, "The run waits: the disk of the broker is full")
	run := runLine.FindStringSubmatch(p.out.String())[1]
	require.NoError(t, p.cmd.Process.Signal(os.Interrupt))
	require.Contains(t, p.fails(t, 130), "resume "+run)

	room()
	require.Contains(t, c.run(t, "resume", run, "--out", "results").ok(t), want)
	require.Contains(t, c.run(t, "verify", run).ok(t), run+": intact")
}
