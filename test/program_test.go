package test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience bounds everything a test waits for. It is long because the machine may be busy; nothing waits for it in vain.
const patience = 90 * time.Second

// often is how often a test looks again.
const often = 20 * time.Millisecond

var binaryDir atomic.Pointer[string]

// binary builds the program once and returns its path. It is the program that people run, without the race detector: the tests
// of the packages look for races in all that its processes do, and here it would make them several times as slow.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "myriad-test-")
	if err != nil {
		return "", err
	}
	binaryDir.Store(&dir)
	path := filepath.Join(dir, "myriad")
	if out, err := exec.Command("go", "build", "-o", path, "../cmd/myriad").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// examplePrograms builds the programs among the examples once, each into its own directory, and returns where.
var examplePrograms = sync.OnceValues(func() (string, error) {
	main, err := binary()
	if err != nil {
		return "", err
	}
	dir := filepath.Dir(main)
	for _, name := range []string{"workflow/local", "workflow/distributed", "workflow/host", "groups", "groups/host", "conversation"} {
		path := filepath.Join(dir, "examples", name, "program")
		if out, err := exec.Command("go", "build", "-o", path, "../examples/"+name).CombinedOutput(); err != nil {
			return "", fmt.Errorf("go build: %w\n%s", err, out)
		}
	}
	return filepath.Join(dir, "examples"), nil
})

// exampleProgram is the path of the program of an example.
func exampleProgram(t testing.TB, name string) string {
	t.Helper()
	dir, err := examplePrograms()
	require.NoError(t, err)
	return filepath.Join(dir, name, "program")
}

// process is the program running in a directory of its own. What it writes can be read at any time.
type process struct {
	cmd      *exec.Cmd
	out, err output
	done     chan struct{}
}

// output collects what a process writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// call says how to run the program.
type call struct {
	dir   string   // working directory; "" for a new one
	env   []string // NAME=VALUE, beside the environment of the test without any MYRIAD_ variable
	stdin []byte
}

// start starts the program. It is killed at the end of the test if it still runs.
func (c call) start(t testing.TB, args ...string) *process {
	t.Helper()
	path, err := binary()
	require.NoError(t, err)
	return c.exec(t, path, args...)
}

func (c call) exec(t testing.TB, path string, args ...string) *process {
	t.Helper()
	if c.dir == "" {
		c.dir = t.TempDir()
	}
	p := &process{cmd: exec.Command(path, args...), done: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = c.dir, &p.out, &p.err
	p.cmd.Stdin = bytes.NewReader(c.stdin)
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "MYRIAD_") {
			p.cmd.Env = append(p.cmd.Env, e)
		}
	}
	// The race detector makes a program wait for a second at its end, unless it is told not to.
	p.cmd.Env = append(append(p.cmd.Env, "GORACE=atexit_sleep_ms=0"), c.env...)
	require.NoError(t, p.cmd.Start())
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // how it ended is in ProcessState
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // fails when it is gone already
		<-p.done
		if t.Failed() {
			t.Logf("%s\nstdout:\n%s\nstderr:\n%s", p.cmd, p.out.String(), p.err.String())
		}
	})
	return p
}

// run runs the program to its end.
func (c call) run(t testing.TB, args ...string) *process {
	t.Helper()
	p := c.start(t, args...)
	p.wait(t)
	return p
}

// wait waits for the end of the process and returns its exit code.
func (p *process) wait(t testing.TB) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case <-p.done:
	case <-ctx.Done():
		require.FailNow(t, "the program does not end", "%s\nstdout:\n%s\nstderr:\n%s", p.cmd, p.out.String(), p.err.String())
	}
	return p.cmd.ProcessState.ExitCode()
}

// ok waits for the end of the process, which must be a good one, and returns what it wrote on stdout.
func (p *process) ok(t testing.TB) string {
	t.Helper()
	require.Zero(t, p.wait(t), "%s\nstdout:\n%s\nstderr:\n%s", p.cmd, p.out.String(), p.err.String())
	return p.out.String()
}

// fails waits for the end of the process, which must have the exit code, and returns what it wrote on stderr.
func (p *process) fails(t testing.TB, code int) string {
	t.Helper()
	require.Equal(t, code, p.wait(t), "%s\nstdout:\n%s\nstderr:\n%s", p.cmd, p.out.String(), p.err.String())
	return p.err.String()
}

// says waits until the process has written a text to one of its outputs.
func (p *process) says(t testing.TB, o *output, text string) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	look := time.NewTicker(often)
	defer look.Stop()
	for !strings.Contains(o.String(), text) {
		select {
		case <-look.C:
		case <-p.done:
			if !strings.Contains(o.String(), text) {
				require.FailNow(t, "the program ended and did not say", "%q\nstdout:\n%s\nstderr:\n%s", text, p.out.String(), p.err.String())
			}
		case <-deadline.C:
			require.FailNow(t, "the program does not say", "%q\nstdout:\n%s\nstderr:\n%s", text, p.out.String(), p.err.String())
		}
	}
}

// stop asks the process to end and waits for it.
func (p *process) stop(t testing.TB) int {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
		require.NoError(t, err)
	}
	return p.wait(t)
}

// example is the absolute path of a scenario in examples/.
func example(t testing.TB, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "examples", name))
	require.NoError(t, err)
	return path
}

// parsed decodes JSON into a fresh value, which must take all of it.
func parsed[T any](t testing.TB, data string) T {
	t.Helper()
	var out T
	d := json.NewDecoder(strings.NewReader(data))
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(&out), data)
	require.False(t, d.More(), "more than one value: %s", data)
	return out
}
