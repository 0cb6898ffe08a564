package actor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/internal/wire"
)

// Environment of a child process. Nothing goes into its arguments, which all users of the machine can read.
const (
	// EnvProcess is the id of the host that a child process is: that of its parent, a slash, and the name of its agent.
	EnvProcess = "MYRIAD_AGENT_PROCESS"
	// EnvLimits are the bounds of its parent, as JSON.
	EnvLimits = "MYRIAD_AGENT_PROCESS_LIMITS"
)

// Times of children.
const (
	childStop   = 3 * time.Second // that a child has to end after its standard input was closed
	childSteady = 10 * time.Second
	childLater  = 10 * time.Second // the longest pause before one that ended is started again
)

// childHost is the id of the host that the child process of an agent is. It is the same in all runs: agents of one name share it.
func childHost(host, name string) string { return host + "/" + name }

// children are the child processes of a host, by the name of their agent. Each is there as long as a run has such an agent.
type children struct {
	mu sync.Mutex
	by map[string]*child
}

type child struct {
	users int
	end   context.CancelFunc
}

// need starts the child process for an agent, or has it serve one more.
func (rt *Runtime) need(ctx context.Context, name string) error {
	rt.children.mu.Lock()
	defer rt.children.mu.Unlock()
	if c := rt.children.by[name]; c != nil {
		c.users++
		return nil
	}
	command, err := rt.command(name)
	if err != nil {
		return err
	}
	ctx, end := context.WithCancel(ctx)
	if !rt.spawn(func() { rt.supervise(ctx, name, command) }) {
		end()
		return wire.ErrStopped
	}
	if rt.children.by == nil {
		rt.children.by = map[string]*child{}
	}
	rt.children.by[name] = &child{1, end}
	return nil
}

// release ends the child process of an agent unless it serves others.
func (rt *Runtime) release(name string) {
	rt.children.mu.Lock()
	defer rt.children.mu.Unlock()
	if c := rt.children.by[name]; c != nil {
		if c.users--; c.users == 0 {
			c.end()
			delete(rt.children.by, name)
		}
	}
}

// command returns what starts a child: the program that runs now, with an environment that says what it is.
func (rt *Runtime) command(name string) (func(context.Context) *exec.Cmd, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("%w: a process of its own for agent %q: %w", wire.ErrUnavailable, name, err)
	}
	url, err := rt.brokerURL()
	if err != nil {
		return nil, fmt.Errorf("a process of its own for agent %q: %w", name, err)
	}
	limits, err := json.Marshal(limitsOf(rt.cfg, name))
	if err != nil {
		return nil, err
	}
	env := os.Environ()
	if b := rt.cfg.Broker; b.URL != "" { // MYRIAD_NATS_* is about another broker, if it is there
		env = slices.DeleteFunc(env, func(v string) bool { return strings.HasPrefix(v, bus.EnvPrefix) })
		env = append(env, bus.EnvPrefix+"CA="+b.CA, bus.EnvPrefix+"NKEY="+b.NKey)
	}
	env = append(env, EnvProcess+"="+childHost(rt.cfg.Host, name), EnvLimits+"="+string(limits), bus.EnvPrefix+"URL="+url)
	return func(ctx context.Context) *exec.Cmd {
		cmd := exec.CommandContext(ctx, program)
		cmd.Env, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = env, os.Stderr, os.Stderr, childStop
		return cmd
	}, nil
}

// brokerURL is where a child process finds the broker.
func (rt *Runtime) brokerURL() (string, error) {
	switch url := rt.nc.ConnectedUrl(); {
	case rt.cfg.Broker.URL != "":
		return rt.cfg.Broker.URL, nil
	case rt.nc.ConnectedAddr() == "pipe": // inside the process
		return "", fmt.Errorf("%w: the broker is inside this program and listens nowhere; give it an address to listen on, or use a broker of its own",
			wire.ErrUnavailable)
	case url == "":
		return "", fmt.Errorf("%w: there is no connection to the broker", wire.ErrUnavailable)
	default:
		return url, nil
	}
}

// supervise starts the child again whenever it ends, until ctx does.
func (rt *Runtime) supervise(ctx context.Context, name string, command func(context.Context) *exec.Cmd) {
	pause := backoff.NewExponentialBackOff()
	pause.MaxInterval = childLater
	for {
		began := time.Now()
		err := rt.runChild(command(ctx))
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > childSteady {
			pause.Reset()
		}
		wait := pause.NextBackOff()
		rt.log.Warn("the process of an agent ended; it is started again", "agent", name, "error", err, "in", wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}

// runChild starts a child and waits for its end. A child lives as long as its standard input is open, so it ends with its
// parent, however that ends.
func (rt *Runtime) runChild(cmd *exec.Cmd) error {
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	cmd.Cancel = in.Close
	if err := cmd.Start(); err != nil {
		return errors.Join(err, in.Close())
	}
	return cmd.Wait()
}
