package bench

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// script writes a program that stands for myriad.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o700)) //nolint:gosec // it is to be run
	return path
}

func TestProcess(t *testing.T) {
	t.Setenv("MYRIAD_AGENTHOST_IN_FLIGHT", "1")
	var got []string
	took, err := run(t.Context(), t.TempDir(), &got, script(t, `echo "[\"$1\", \"$MYRIAD_AGENTHOST_IN_FLIGHT\", \"$HOME\"]"`), "hello")
	require.NoError(t, err)
	require.Equal(t, []string{"hello", "", os.Getenv("HOME")}, got, "settings of the user's own Myriad change nothing")
	require.Positive(t, took[Wall])
	require.Positive(t, took[Peak])
	require.Contains(t, took, CPU)
}

func TestProcessThatFails(t *testing.T) {
	_, err := run(t.Context(), t.TempDir(), new(string), script(t, `echo "disk is full" >&2; exit 3`), "run", "million.yaml", "more")
	require.ErrorIs(t, err, ErrProcess)
	require.ErrorContains(t, err, "program run million.yaml: exit status 3\ndisk is full")

	_, err = run(t.Context(), t.TempDir(), new(float64), script(t, "echo nonsense"))
	require.ErrorIs(t, err, ErrProcess)
	_, err = run(t.Context(), t.TempDir(), new(float64), filepath.Join(t.TempDir(), "nothing"))
	require.ErrorIs(t, err, ErrProcess)
}

func TestProcessEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	p, err := Start(ctx, t.TempDir(), nil, script(t, "echo up; exec sleep 3600"))
	require.NoError(t, err)
	_, err = p.Says(ctx, &p.Out, regexp.MustCompile("up"))
	require.NoError(t, err)
	cancel(os.ErrClosed)
	_, err = p.Wait(ctx)
	require.ErrorIs(t, err, os.ErrClosed)
}

func TestProcessThatIsStopped(t *testing.T) {
	p, err := Start(t.Context(), t.TempDir(), []string{"MYRIAD_NATS_URL=nats://x:1"},
		script(t, `trap 'exit 0' TERM; echo "at $MYRIAD_NATS_URL" >&2; while :; do sleep 0.01; done`))
	require.NoError(t, err)
	at, err := p.Says(t.Context(), &p.Err, regexp.MustCompile(`at (\S+)`))
	require.NoError(t, err)
	require.Equal(t, "nats://x:1", at)
	took, err := p.Stop(t.Context())
	require.NoError(t, err)
	require.Positive(t, took[Wall])
}

func TestProcessThatEndsTooEarly(t *testing.T) {
	p, err := Start(t.Context(), t.TempDir(), nil, script(t, `echo "port is taken" >&2; exit 1`))
	require.NoError(t, err)
	_, err = p.Says(t.Context(), &p.Out, regexp.MustCompile("up"))
	require.ErrorIs(t, err, ErrProcess)
	require.ErrorContains(t, err, "port is taken")
}

func TestCaptureKeepsTheEnd(t *testing.T) {
	c := Capture{most: 4}
	for _, text := range []string{"a", "bcdef", "g"} {
		n, err := c.Write([]byte(text))
		require.NoError(t, err)
		require.Len(t, text, n)
	}
	require.Equal(t, "defg", c.Text())
}

// A run whose figures mean nothing is no measurement.
func TestSimulationMustBeSound(t *testing.T) {
	for text, sound := range map[string]bool{
		`{"state": "finished", "agents": 10, "seconds": 3, "ready_seconds": 1, "rounds": [{"seconds": 1}, {"seconds": 0.5}]}`: true,
		`{"state": "paused", "stop_reason": "no model", "rounds": [{"seconds": 1}]}`:                                          false,
		`{"state": "finished", "receipt": {"lost": 1}, "rounds": [{"seconds": 1}]}`:                                           false,
		`{"state": "finished", "rounds": []}`:                                                                                 false,
	} {
		l := &lab{program: script(t, "echo '"+text+"'"), dir: t.TempDir(), latency: time.Second}
		got, err := l.oneRound(t.Context(), job{agents: 10})
		left, dirErr := os.ReadDir(l.dir)
		require.NoError(t, dirErr)
		require.Empty(t, left, "a measurement leaves nothing behind")
		if !sound {
			require.ErrorIs(t, err, ErrLost)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, 1.5, got[Seconds])
		require.Equal(t, 1.0, got[Ready])
		require.Equal(t, 1.0, got[RoundRate])
		require.Equal(t, 10.0, got[AgentRate])
	}
}

func TestSleepers(t *testing.T) {
	got, err := Child(t.Context(), "goroutines", 100, 20*time.Millisecond, "")
	require.NoError(t, err)
	require.GreaterOrEqual(t, got[Seconds], 0.02)
	_, err = Child(t.Context(), "speed", 1, time.Second, "")
	require.ErrorIs(t, err, ErrOption)
}
