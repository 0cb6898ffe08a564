package test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

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

// fill writes a file that takes all there is of a file system.
func fill(t testing.TB, path string) {
	t.Helper()
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 1<<20))
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
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
	ballast := filepath.Join(at, "ballast")
	fill(t, ballast)
	s.says(t, &s.err, "DISK FULL")

	s.waits(t, run, "waits: the disk of the broker is full")
	require.NoError(t, os.Remove(ballast))
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
	ballast := filepath.Join(at, "ballast")
	fill(t, ballast)
	p.says(t, &p.out, "The run waits: the disk of the broker is full")
	run := runLine.FindStringSubmatch(p.out.String())[1]
	require.NoError(t, p.cmd.Process.Signal(os.Interrupt))
	require.Contains(t, p.fails(t, 130), "resume "+run)

	require.NoError(t, os.Remove(ballast))
	require.Contains(t, c.run(t, "resume", run, "--out", "results").ok(t), want)
	require.Contains(t, c.run(t, "verify", run).ok(t), run+": intact")
}
