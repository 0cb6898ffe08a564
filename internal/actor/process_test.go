package actor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// TestMain is also the program that a host starts for an agent with a process of its own.
func TestMain(m *testing.M) {
	if IsChild() {
		if err := ChildMain(context.Background(), childKinds(), slog.New(slog.DiscardHandler)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	natstest.VerifyMain(m)
}

func childKinds() *agent.Registry {
	return kinds().Add("pid", replies(func(_ context.Context, self *agent.Self, in ...msg.Msg) (msg.Msg, error) {
		self.Memory.Append(in...)
		return msg.Msg{Content: msg.Text(strconv.Itoa(os.Getpid()))}, nil
	}))
}

// An agent with a process of its own is reached like any other. It comes back when its process is killed, or its host is.
func TestProcess(t *testing.T) {
	s := newStage(t)
	start := func() *life {
		h := s.made("h1", childKinds(), func(c *Config) { c.Broker.URL = s.srv.URL() })
		quiet(h)
		require.NoError(t, h.Start(t.Context()))
		return h
	}
	h := start()
	c := s.client()
	spec := agent.Spec{Name: "own", Kind: "pid", Process: true}
	a, err := c.Create(t.Context(), "h1", spec)
	require.NoError(t, err)
	require.Equal(t, subjects.CodeAddress("h1/own", "own"), a)
	again, err := c.Create(t.Context(), "h1", spec)
	require.NoError(t, err)
	require.Equal(t, a, again)
	pid := func(text string) (pid int) {
		out, err := c.Reply(t.Context(), a, say(text))
		require.NoError(t, err)
		pid, err = strconv.Atoi(out.Content.String())
		require.NoError(t, err)
		return pid
	}
	memory := func() int {
		var state struct {
			MemoryLength int `json:"memory_length"`
		}
		require.Eventually(t, func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second) // a request in the hands of who is killed is lost
			defer cancel()
			out, err := c.State(ctx, a)
			return err == nil && out.Content.Decode(&state) == nil
		}, waitFor, pollEvery)
		return state.MemoryLength
	}
	first := pid("one")
	require.NotEqual(t, os.Getpid(), first)
	require.NoError(t, syscall.Kill(first, syscall.SIGKILL))
	require.Equal(t, 1, memory())
	second := pid("two")
	require.NotEqual(t, first, second)

	list, err := c.List(t.Context(), "h1")
	require.NoError(t, err)
	require.Equal(t, []agent.Info{{Name: "own", Kind: "pid", Address: a, Process: true}}, list)
	_, err = c.Reply(t.Context(), subjects.CodeAddress("h1", "own"))
	require.ErrorIs(t, err, agent.ErrNoAgent)
	require.ErrorContains(t, err, string(a), "it says where the agent is")

	h.end(t)
	require.ErrorIs(t, syscall.Kill(second, 0), syscall.ESRCH, "the process ends with its host")
	start()
	require.Equal(t, 2, memory())
	third := pid("three")
	require.NoError(t, c.Delete(t.Context(), subjects.CodeAddress("h1", "own")))
	require.Eventually(t, func() bool { return errors.Is(syscall.Kill(third, 0), syscall.ESRCH) }, waitFor, pollEvery)
	_, err = c.Create(t.Context(), "h1", spec)
	require.NoError(t, err)
	require.Zero(t, memory(), "a new one of that name remembers nothing of the old one")
}

// An agent with a process of its own is deleted by the address that its maker was given, process and all. What a host that
// died in the middle left behind in a process does not keep the next agent from its name.
func TestDeleteAProcess(t *testing.T) {
	s := newStage(t)
	h := s.made("h1", childKinds(), func(c *Config) { c.Broker.URL = s.srv.URL() })
	quiet(h)
	require.NoError(t, h.Start(t.Context()))
	c := s.client()
	spec := agent.Spec{Name: "own", Kind: "pid", Process: true}
	create := func() (a subjects.Address, pid int) {
		a, err := c.Create(t.Context(), "h1", spec)
		require.NoError(t, err)
		out, err := c.Reply(t.Context(), a, say("hello"))
		require.NoError(t, err)
		pid, err = strconv.Atoi(out.Content.String())
		require.NoError(t, err)
		return a, pid
	}
	a, pid := create()
	require.NoError(t, c.Delete(t.Context(), a))
	require.Zero(t, h.Agents())
	require.Eventually(t, func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }, waitFor, pollEvery)

	_, pid = create()
	h.runs["r1"].forget(h.runs["r1"].agent("own")) // as if it had died before it was logged
	h.release("own")
	require.Eventually(t, func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }, waitFor, pollEvery)
	spec.Kind = "echo"
	a, err := c.Create(t.Context(), "h1", spec)
	require.NoError(t, err)
	out, err := c.Reply(t.Context(), a, say("hello"))
	require.NoError(t, err)
	require.Equal(t, "hello", out.Content.String())
}

// Without a broker that can be reached from outside there are no processes, and the error says so.
func TestProcessNeedsAListener(t *testing.T) {
	srv, err := bus.StartServer(t.Context(), bus.ServerConfig{DataDir: t.TempDir(), Log: natstest.Logger(t)})
	require.NoError(t, err)
	defer srv.Stop()
	nc, err := srv.Connect(t.Name())
	require.NoError(t, err)
	defer nc.Close()
	rt := &Runtime{nc: nc}
	_, err = rt.brokerURL()
	require.ErrorIs(t, err, agent.ErrUnavailable)
	require.ErrorContains(t, err, "listens nowhere")
	rt.cfg.Broker.URL = "nats://127.0.0.1:4222"
	url, err := rt.brokerURL()
	require.NoError(t, err)
	require.Equal(t, rt.cfg.Broker.URL, url)
}
