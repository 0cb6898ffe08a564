package actor

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Whatever two callers ask of an agent, it does one thing at a time, and what one caller asks in the order in which it did.
func TestMailboxProperty(t *testing.T) {
	s := newStage(t)
	var inside atomic.Int32
	var mu sync.Mutex
	seen := map[string][]int{}
	overlap := false
	note := func(in []msg.Msg) {
		if inside.Add(1) != 1 {
			mu.Lock()
			overlap = true
			mu.Unlock()
		}
		who, n, _ := strings.Cut(in[0].Content.String(), " ")
		at, _ := strconv.Atoi(n)
		mu.Lock()
		seen[who] = append(seen[who], at)
		mu.Unlock()
		inside.Add(-1)
	}
	reg := agent.NewRegistry().Add("noter", func(_ context.Context, self *agent.Self, _ []byte) (agent.Agent, error) {
		return &script{self: self, reply: func(_ context.Context, _ *agent.Self, in ...msg.Msg) (msg.Msg, error) {
			note(in)
			return msg.Msg{}, nil
		}, observe: func(_ context.Context, self *agent.Self, in ...msg.Msg) error {
			note(in)
			self.Memory.Append(in...)
			return nil
		}}, nil
	})
	s.host("h1", reg)
	clients := []*agent.Client{s.client(), s.client()}
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		a := s.create(clients[0], "h1", fmt.Sprint("a", round), "noter")
		plans := [2][]string{}
		for i := range plans {
			plans[i] = rapid.SliceOfN(rapid.SampledFrom([]string{subjects.VerbCall, subjects.VerbReply, subjects.VerbObserve}), 1, 12).Draw(rt, "plan")
		}
		mu.Lock()
		clear(seen)
		mu.Unlock()
		var all sync.WaitGroup
		errs := make(chan error, 2)
		for i, plan := range plans {
			all.Go(func() { errs <- follow(t.Context(), clients[i], a, fmt.Sprint("caller", i), plan) })
		}
		all.Wait()
		require.NoError(rt, <-errs)
		require.NoError(rt, <-errs)
		mu.Lock()
		defer mu.Unlock()
		require.False(rt, overlap)
		for i, plan := range plans {
			got := seen[fmt.Sprint("caller", i)]
			require.Len(rt, got, len(plan))
			require.True(rt, slices.IsSorted(got), "%v", got)
		}
	})
}

// follow asks an agent for verbs one after the other, and waits for the calls at the end.
func follow(ctx context.Context, c *agent.Client, a subjects.Address, who string, plan []string) error {
	var promises []msg.Msg
	for i, verb := range plan {
		m := say(fmt.Sprint(who, " ", i))
		var err error
		switch verb {
		case subjects.VerbCall:
			m, err = c.Call(ctx, a, m)
			promises = append(promises, m)
		case subjects.VerbReply:
			_, err = c.Reply(ctx, a, m)
		case subjects.VerbObserve:
			err = c.Observe(ctx, a, m)
		}
		if err != nil {
			return err
		}
	}
	_, err := c.ResolveAll(ctx, promises...)
	return err
}

// next is a kind whose agents, named by number, ask the next one and add one to what it says.
func next(last int) agent.Kind {
	return replies(func(ctx context.Context, self *agent.Self, _ ...msg.Msg) (msg.Msg, error) {
		n, err := strconv.Atoi(self.Name)
		if err != nil || n == last {
			return msg.Msg{Content: msg.Text("0")}, err
		}
		out, err := self.Client.Reply(ctx, subjects.CodeAddress(self.Host, strconv.Itoa(n+1)))
		if err != nil {
			return msg.Msg{}, err
		}
		n, err = strconv.Atoi(out.Content.String())
		return msg.Msg{Content: msg.Text(strconv.Itoa(n + 1))}, err
	})
}

// A thousand agents wait for each other with one worker between them.
func TestNestedRepliesWithOneWorker(t *testing.T) {
	const depth = 1000
	s := newStage(t)
	h := s.host("h1", agent.NewRegistry().Add("next", next(depth)), func(c *Config) { c.Workers = 1 })
	c := s.client()
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			for i := w + 1; i <= depth; i += 8 {
				_, err := c.Create(t.Context(), "h1", agent.Spec{Name: strconv.Itoa(i), Kind: "next"})
				require.NoError(t, err)
			}
		})
	}
	all.Wait()
	require.Equal(t, depth, h.Agents())
	out, err := c.Reply(t.Context(), "code.h1.1")
	require.NoError(t, err)
	require.Equal(t, strconv.Itoa(depth-1), out.Content.String())
	require.Empty(t, h.slots, "every worker is free again")
}

// An agent that is asked for what it waits for itself says so at once, through however many others.
func TestCycle(t *testing.T) {
	s := newStage(t)
	hop := replies(func(ctx context.Context, self *agent.Self, in ...msg.Msg) (msg.Msg, error) {
		to := map[string]subjects.Address{"a": "code.h1.b", "b": "code.h2.c", "c": "code.h1.a"}[self.Name]
		return self.Client.Reply(ctx, to, in...)
	})
	reg := agent.NewRegistry().Add("hop", hop)
	s.host("h1", reg)
	s.host("h2", reg)
	c := s.client()
	a := s.create(c, "h1", "a", "hop")
	s.create(c, "h1", "b", "hop")
	s.create(c, "h2", "c", "hop")
	_, err := c.Reply(t.Context(), a, say("round"))
	require.ErrorIs(t, err, agent.ErrCycle)

	// The host finds it too, where the client does not look.
	_, err = wire.Ask(t.Context(), c.Conn(), subjects.At("r1", a, subjects.VerbReply), wire.Request{Chain: []subjects.Address{"code.h9.x", a}})
	require.ErrorIs(t, err, agent.ErrCycle)
}

// Calls do not wait for each other where nothing depends on anything; what depends on a promise gets what was promised.
func TestPromisesAsInputs(t *testing.T) {
	s := newStage(t)
	gate := make(chan struct{})
	reg := agent.NewRegistry().Add("echo", replies(echo)).Add("late", replies(func(ctx context.Context, self *agent.Self, in ...msg.Msg) (msg.Msg, error) {
		<-gate
		return echo(ctx, self, in...)
	})).Add("fails", newCounter)
	s.host("h1", reg)
	s.host("h2", reg)
	c := s.client()
	late, plain, fails := s.create(c, "h1", "late", "late"), s.create(c, "h2", "plain", "echo"), s.create(c, "h2", "fails", "fails")
	first, err := c.Call(t.Context(), late, say("one"))
	require.NoError(t, err)
	second, err := c.Call(t.Context(), plain, say("zero "), first)
	require.NoError(t, err)
	bad, err := c.Call(t.Context(), fails, say("fail"))
	require.NoError(t, err)
	close(gate)
	out, err := c.Resolve(t.Context(), second)
	require.NoError(t, err)
	require.Equal(t, "zero one", out.Content.String())
	_, err = c.Reply(t.Context(), plain, say("x"), bad)
	require.ErrorIs(t, err, agent.ErrFailed)
	require.ErrorContains(t, err, "input 2: it was asked to fail")
	out, err = c.State(t.Context(), plain)
	require.NoError(t, err)
	require.NotContains(t, out.Content.String(), `"x"`, "it never saw the request")
}

// Who cancels, whose deadline passes, and whose host stops gets that error, and the agent's context ends for that reason.
func TestWhatEndsAHandler(t *testing.T) {
	s := newStage(t)
	causes, began := make(chan error, 8), make(chan struct{}, 8)
	reg := agent.NewRegistry().Add("waits", replies(func(ctx context.Context, self *agent.Self, in ...msg.Msg) (msg.Msg, error) {
		self.Memory.Append(in...)
		began <- struct{}{}
		<-ctx.Done()
		causes <- context.Cause(ctx)
		return msg.Msg{}, ctx.Err()
	}))
	h := s.host("h1", reg)
	c := s.client()
	a := s.create(c, "h1", "a", "waits")
	p, err := c.Call(t.Context(), a, say("one"))
	require.NoError(t, err)
	behind, err := c.Call(t.Context(), a, say("two"))
	require.NoError(t, err)
	<-began
	require.NoError(t, c.Cancel(t.Context(), behind))
	require.NoError(t, c.Cancel(t.Context(), p))
	require.ErrorIs(t, <-causes, agent.ErrCancelled)
	_, err = c.Resolve(t.Context(), p)
	require.ErrorIs(t, err, agent.ErrCancelled)

	_, err = wire.Ask(t.Context(), c.Conn(), subjects.At("r1", a, subjects.VerbReply), wire.Request{Deadline: time.Now().Add(50 * time.Millisecond)})
	require.ErrorIs(t, err, agent.ErrDeadline)
	require.ErrorIs(t, <-causes, agent.ErrDeadline)
	<-began

	failed := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := c.Reply(context.Background(), a, say("three"))
			failed <- err
		}()
	}
	<-began
	require.Eventually(t, func() bool { n, _ := h.runs["r1"].agent("a").counts(); return n == 1 }, waitFor, pollEvery)
	require.NoError(t, c.Delete(t.Context(), a))
	require.ErrorIs(t, <-causes, agent.ErrNoAgent)
	require.ErrorIs(t, <-failed, agent.ErrNoAgent)
	require.ErrorIs(t, <-failed, agent.ErrNoAgent)

	b := s.create(c, "h1", "b", "waits")
	go func() {
		_, err := c.Reply(context.Background(), b)
		failed <- err
	}()
	<-began
	h.end(t)
	require.ErrorIs(t, <-causes, agent.ErrStopped)
	require.ErrorIs(t, <-failed, agent.ErrStopped)
	require.Zero(t, h.waiting())
	require.Equal(t, 3, s.records("h1"), "two were made, one deleted; nothing else was kept")
}

// What does not fit is refused before anything happens, and there is room again afterwards.
func TestCrowded(t *testing.T) {
	s := newStage(t)
	hold := make(chan struct{})
	reg := agent.NewRegistry().Add("waits", replies(func(context.Context, *agent.Self, ...msg.Msg) (msg.Msg, error) {
		<-hold
		return msg.Msg{}, nil
	}))
	h := s.host("h1", reg, func(c *Config) { c.MaxWaiting = 3 })
	c := s.client()
	a := s.create(c, "h1", "a", "waits")
	var promises []msg.Msg
	for range 3 {
		p, err := c.Call(t.Context(), a)
		require.NoError(t, err)
		promises = append(promises, p)
	}
	_, err := c.Call(t.Context(), a)
	require.ErrorIs(t, err, agent.ErrCrowded)
	_, err = c.Reply(agent.WithRequestID(t.Context(), "x"), a)
	require.ErrorIs(t, err, agent.ErrCrowded)
	close(hold)
	_, err = c.ResolveAll(t.Context(), promises...)
	require.NoError(t, err)
	_, err = c.Reply(agent.WithRequestID(t.Context(), "x"), a)
	require.NoError(t, err, "a refused request was not handled")
	require.Zero(t, h.waiting())
}
