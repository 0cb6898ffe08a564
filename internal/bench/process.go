package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// tailBytes is how much of what a process writes on stderr is kept for an error.
	tailBytes = 16 << 10
	// stopWait is how long a process may take to end when it is asked to; then it is killed.
	stopWait = 20 * time.Second
)

// Process is a program that a measurement started. Its methods are for one goroutine.
type Process struct {
	cmd   *exec.Cmd
	Out   Capture // stdout
	Err   Capture // the end of stderr
	began time.Time
	ended error         // of the process; set when done is closed
	wall  time.Duration // set when done is closed
	done  chan struct{}
}

// Start starts a program in a directory, killed when ctx ends. Variables of the user's own Myriad do not reach it, so
// that a benchmark means the same everywhere. The caller calls Wait or Stop.
func Start(ctx context.Context, dir string, env []string, program string, args ...string) (*Process, error) {
	p := &Process{cmd: exec.CommandContext(ctx, program, args...), done: make(chan struct{})}
	p.Out.notify, p.Err.notify, p.Err.most = make(chan struct{}, 1), make(chan struct{}, 1), tailBytes
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr, p.cmd.WaitDelay = dir, &p.Out, &p.Err, stopWait
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "MYRIAD_") {
			p.cmd.Env = append(p.cmd.Env, e)
		}
	}
	p.cmd.Env = append(p.cmd.Env, env...)
	p.began = time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrProcess, p.name(), err)
	}
	go func() {
		defer close(p.done)
		p.ended = p.cmd.Wait()
		p.wall = time.Since(p.began)
	}()
	return p, nil
}

func (p *Process) name() string {
	return strings.Join(append([]string{filepath.Base(p.cmd.Path)}, p.cmd.Args[1:min(3, len(p.cmd.Args))]...), " ")
}

// Wait returns when the process has ended, with what it took.
func (p *Process) Wait(ctx context.Context) (Figures, error) {
	<-p.done
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if p.ended != nil {
		return nil, fmt.Errorf("%w: %s: %w\n%s", ErrProcess, p.name(), p.ended, strings.TrimSpace(p.Err.Text()))
	}
	return p.took(), nil
}

// took is what the kernel counted for a process that has ended.
func (p *Process) took() Figures {
	state := p.cmd.ProcessState
	out := Figures{Wall: p.wall.Seconds(), CPU: (state.UserTime() + state.SystemTime()).Seconds()}
	if usage, ok := state.SysUsage().(*syscall.Rusage); ok {
		unit := int64(1 << 10)
		if runtime.GOOS == "darwin" {
			unit = 1
		}
		out[Peak] = float64(int64(usage.Maxrss) * unit) //nolint:unconvert // narrower on some systems
	}
	return out
}

// Stop asks the process to end, and kills it when it does not.
func (p *Process) Stop(ctx context.Context) (Figures, error) {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return nil, fmt.Errorf("%w: %s: %w", ErrProcess, p.name(), err)
	}
	patience := time.NewTimer(stopWait)
	defer patience.Stop()
	select {
	case <-p.done:
	case <-patience.C:
		_ = p.cmd.Process.Kill() // fails when it is gone, which is as good
	}
	return p.Wait(ctx)
}

// Says waits until the process has written what a pattern matches, on the output given, and returns the last group.
func (p *Process) Says(ctx context.Context, c *Capture, pattern *regexp.Regexp) (string, error) {
	for {
		if m := pattern.FindStringSubmatch(c.Text()); m != nil {
			return m[len(m)-1], nil
		}
		select {
		case <-c.notify:
		case <-p.done:
			_, err := p.Wait(ctx)
			return "", errors.Join(err, fmt.Errorf("%w: %s ended before it was up", ErrProcess, p.name()))
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}

// Capture keeps what a process writes.
type Capture struct {
	mu     sync.Mutex
	buf    []byte
	most   int           // bytes kept, from the end; 0 keeps all
	notify chan struct{} // has room for one
}

// Write takes what the process wrote.
func (c *Capture) Write(b []byte) (int, error) {
	c.mu.Lock()
	c.buf = append(c.buf, b...)
	if c.most > 0 && len(c.buf) > c.most {
		c.buf = append(c.buf[:0], c.buf[len(c.buf)-c.most:]...)
	}
	c.mu.Unlock()
	select {
	case c.notify <- struct{}{}:
	default: // whoever waits looks at all of it anyway
	}
	return len(b), nil
}

// Text is what is kept.
func (c *Capture) Text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.buf)
}
