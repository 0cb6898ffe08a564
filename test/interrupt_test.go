package test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/report"
)

var (
	runLine    = regexp.MustCompile(`(?m)^Run: +(\S+)$`)
	resumeLine = regexp.MustCompile(`(?m)^Stopped\..*Go on with:\n  (.+)$`)
)

// A run that is stopped in the middle of a round, by Ctrl-C or by a kill, goes on with the answers it had, and ends with
// the result of a run that was never stopped.
func TestStoppedRunGoesOn(t *testing.T) {
	t.Parallel()
	args := []string{"run", example(t, "dummy-1s.yaml"), "--agents", "20000", "--rounds", "3"}
	whole := parsed[report.Summary](t, call{}.run(t, append(args, "--json")...).ok(t))
	require.Len(t, whole.Rounds, 3)
	for _, r := range whole.Rounds {
		require.GreaterOrEqual(t, r.Seconds, 1.0)
	}

	// started is a run in the middle of its second round: no call takes less than a second.
	started := func(t *testing.T, dir string) (p *process, run string) {
		t.Helper()
		p = call{dir: dir}.start(t, append(args, "--out", "the results")...)
		p.says(t, &p.out, "Round 1 closed")
		return p, runLine.FindStringSubmatch(p.out.String())[1]
	}
	finished := func(t *testing.T, dir, run string) {
		t.Helper()
		sum := parsed[report.Summary](t, readFile(t, filepath.Join(dir, "the results"), "summary.json"))
		require.Equal(t, run, sum.Run)
		require.Equal(t, "finished", sum.State)
		require.Equal(t, whole.ResultHash, sum.ResultHash)
		require.Zero(t, sum.Receipt.Lost)
		t.Logf("%d questions asked again", sum.Receipt.RepeatedCalls) // none if it stopped before it had asked any in its second round
		require.LessOrEqual(t, sum.Receipt.RepeatedCalls, 20000)      // what was in flight, and nothing of the round before
		require.Equal(t, 1+3*20000, strings.Count(readFile(t, filepath.Join(dir, "the results"), "results.csv"), "\n"))
	}

	t.Run("Ctrl-C", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		p, run := started(t, dir)
		began := time.Now()
		require.NoError(t, p.cmd.Process.Signal(syscall.SIGINT))
		stderr := p.fails(t, 130)
		require.Less(t, time.Since(began), 2*time.Second)
		t.Logf("ended within %v", time.Since(began))
		found := resumeLine.FindStringSubmatch(stderr)
		require.NotNil(t, found, stderr)
		require.Contains(t, found[1], run)
		_, err := os.Stat(filepath.Join(dir, "the results"))
		require.ErrorIs(t, err, os.ErrNotExist)

		call{dir: dir}.exec(t, "/bin/sh", "-c", found[1]).ok(t)
		finished(t, dir, run)

		again := call{dir: dir}.run(t, "resume", run).fails(t, 1)
		require.Contains(t, again, "is finished")
		require.Contains(t, again, "myriad show "+run)
	})
	t.Run("kill", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		p, run := started(t, dir)
		require.NoError(t, p.cmd.Process.Kill())
		<-p.done
		require.Contains(t, call{dir: dir}.run(t, "runs").ok(t), run)
		call{dir: dir}.run(t, "resume", run, "--out", "the results").ok(t)
		finished(t, dir, run)
	})
}
