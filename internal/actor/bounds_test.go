package actor

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// An outcome that no record holds is a failure with a request id like any other: nothing of it stays, and the host goes on.
func TestFailuresOfAnySizeAreOutcomes(t *testing.T) {
	s := newStage(t)
	reg := kinds().Add("loud", replies(func(_ context.Context, self *agent.Self, in ...msg.Msg) (msg.Msg, error) {
		for range 10 {
			self.Memory.Append(say(in[0].Content.String()))
		}
		if in[0].Role == msg.RoleSystem {
			return msg.Msg{}, errors.New(strings.Repeat("ä", 4<<20))
		}
		return msg.Msg{}, nil
	}))
	h := s.made("h1", reg)
	quiet(h)
	require.NoError(t, h.Start(t.Context()))
	c := s.client()
	a := s.create(c, "h1", "a", "loud")
	large, loud := agent.WithRequestID(t.Context(), "large"), agent.WithRequestID(t.Context(), "error")
	for range 2 {
		_, err := c.Reply(large, a, say(strings.Repeat("x", 900_000)))
		require.ErrorIs(t, err, agent.ErrTooLarge)
		_, err = c.Reply(loud, a, msg.New("tester", msg.RoleSystem, msg.Text("fail")))
		require.ErrorIs(t, err, agent.ErrFailed)
		require.Less(t, len(err.Error()), 2*maxErrorText)
		_, err = c.Reply(t.Context(), a, msg.New("tester", msg.RoleSystem, msg.Text("fail")))
		require.ErrorIs(t, err, agent.ErrFailed, "one that is not logged is answered too")
		require.Empty(t, h.Failed())
		require.Zero(t, h.runs["r1"].agent("a").self.Memory.Len())
		h.crash(t)
		h = s.made("h1", reg)
		quiet(h)
		require.NoError(t, h.Start(t.Context()))
	}
	_, err := c.Reply(t.Context(), a, say("small"))
	require.NoError(t, err)
	require.Equal(t, 10, h.runs["r1"].agent("a").self.Memory.Len())
}

// An agent that no record holds is refused, and the host goes on.
func TestAnAgentThatDoesNotFit(t *testing.T) {
	s := newStage(t)
	h := s.host("h1", kinds().Add("large", func(_ context.Context, self *agent.Self, config []byte) (agent.Agent, error) {
		for range 10 {
			self.Memory.Append(say(string(config)))
		}
		return &script{self: self, reply: echo}, nil
	}))
	c := s.client()
	_, err := c.Create(t.Context(), "h1", agent.Spec{Name: "a", Kind: "large", Config: strings.Repeat("x", 900_000)})
	require.ErrorIs(t, err, agent.ErrTooLarge)
	require.ErrorContains(t, err, "the limit is")
	require.Empty(t, h.Failed())
	require.Zero(t, h.Agents())
	_, err = c.Create(t.Context(), "h1", agent.Spec{Name: "a", Kind: "large", Config: "x"})
	require.NoError(t, err)
}

// What finds a new agent waits behind its making, however early it comes.
func TestAnAgentsFirstTurnIsItsMaking(t *testing.T) {
	s := newStage(t)
	h := s.host("h1", kinds())
	var order []string
	a, isNew := h.inRun("r1").claim("a", "echo", nil, false, func(a *actor) { order = append(order, a.name+" is made") })
	require.True(t, isNew)
	start, err := a.put(item{do: func() { order = append(order, "and asked") }})
	require.NoError(t, err)
	require.False(t, start, "who claimed it wakes it")
	a.work()
	require.Equal(t, []string{"a is made", "and asked"}, order)
}

// A clone that could not be made is not there after a restart either.
func TestACloneThatFails(t *testing.T) {
	s := newStage(t)
	made := 0
	reg := kinds().Add("once", func(_ context.Context, self *agent.Self, _ []byte) (agent.Agent, error) {
		if made++; made == 2 {
			return nil, errors.New("there is one already")
		}
		return &script{self: self, reply: echo}, nil
	})
	h := s.host("h1", reg)
	c := s.client()
	a := s.create(c, "h1", "a", "once")
	_, err := c.Clone(t.Context(), a, "b")
	require.ErrorContains(t, err, "there is one already")
	require.Equal(t, 1, h.Agents())
	h.crash(t)
	h = s.host("h1", reg)
	require.Equal(t, 1, h.Agents())
	_, err = c.Clone(t.Context(), a, "b")
	require.NoError(t, err)
}

// An agent that waits for somebody who wants to clone it is told so, as with any other circle.
func TestCloneCycle(t *testing.T) {
	s := newStage(t)
	s.host("h1", agent.NewRegistry().Add("cloner", replies(func(ctx context.Context, self *agent.Self, in ...msg.Msg) (msg.Msg, error) {
		if self.Name == "a" {
			return self.Client.Reply(ctx, "code.h1.b", in...)
		}
		_, err := self.Client.Clone(ctx, "code.h1.a", "twin")
		return msg.Msg{}, err
	})))
	c := s.client()
	a := s.create(c, "h1", "a", "cloner")
	s.create(c, "h1", "b", "cloner")
	_, err := c.Reply(t.Context(), a)
	require.ErrorIs(t, err, agent.ErrCycle)
}

// A repeated call gets its outcome also when the promise of the first one is not kept any more.
func TestARepeatedCallWhosePromiseIsGone(t *testing.T) {
	s := newStage(t)
	h := s.host("h1", kinds(), func(c *Config) { c.KeepBytes = 2000 })
	c := s.client()
	a, b := s.create(c, "h1", "a", "counter"), s.create(c, "h1", "b", "counter")
	ctx := agent.WithRequestID(t.Context(), "x")
	first, err := c.Call(ctx, a, say("one"))
	require.NoError(t, err)
	_, err = c.Resolve(t.Context(), first)
	require.NoError(t, err)
	same, err := c.Call(ctx, a, say("one"))
	require.NoError(t, err)
	require.Equal(t, first.Placeholder.ID, same.Placeholder.ID, "as long as it is kept")
	for range 5 {
		p, err := c.Call(t.Context(), b)
		require.NoError(t, err)
		_, err = c.Resolve(t.Context(), p)
		require.NoError(t, err)
	}
	_, err = c.Resolve(t.Context(), first)
	require.ErrorIs(t, err, agent.ErrExpired)
	again, err := c.Call(ctx, a, say("one"))
	require.NoError(t, err)
	out, err := c.Resolve(t.Context(), again)
	require.NoError(t, err)
	require.Equal(t, 1, number(t, out))
	require.Equal(t, 1, h.runs["r1"].agent("a").self.Memory.Len())
}

// Requests that wait for the first one of their id take room like others.
func TestJoinedRequestsTakeRoom(t *testing.T) {
	s := newStage(t)
	hold := make(chan struct{})
	h := s.host("h1", agent.NewRegistry().Add("waits", replies(func(context.Context, *agent.Self, ...msg.Msg) (msg.Msg, error) {
		<-hold
		return msg.Msg{}, nil
	})), func(c *Config) { c.MaxWaiting = 3 })
	c := s.client()
	a := s.create(c, "h1", "a", "waits")
	ctx := agent.WithRequestID(t.Context(), "x")
	answers := make(chan error, 3)
	for i := range 3 {
		go func() {
			_, err := c.Reply(ctx, a)
			answers <- err
		}()
		require.Eventually(t, func() bool { return h.waiting() == i+1 }, waitFor, pollEvery)
	}
	_, err := c.Reply(ctx, a)
	require.ErrorIs(t, err, agent.ErrCrowded)
	close(hold)
	for range 3 {
		require.NoError(t, <-answers)
	}
	require.Zero(t, h.waiting())
	_, err = c.Reply(ctx, a)
	require.NoError(t, err)
	require.Zero(t, h.waiting())
}

// The name of an agent that is on its way out is not free yet, and the error says why.
func TestCreateWhileDeleted(t *testing.T) {
	s := newStage(t)
	began, hold := make(chan struct{}), make(chan struct{})
	h := s.host("h1", agent.NewRegistry().Add("stubborn", replies(func(context.Context, *agent.Self, ...msg.Msg) (msg.Msg, error) {
		close(began)
		<-hold
		return msg.Msg{}, nil
	})))
	c := s.client()
	a := s.create(c, "h1", "a", "stubborn")
	_, err := c.Call(t.Context(), a)
	require.NoError(t, err)
	<-began
	deleted := make(chan error, 1)
	go func() { deleted <- c.Delete(t.Context(), a) }()
	box := &h.runs["r1"].agent("a").mailbox
	require.Eventually(t, func() bool {
		box.mu.Lock()
		defer box.mu.Unlock()
		return box.gone
	}, waitFor, pollEvery)
	spec := agent.Spec{Name: "a", Kind: "stubborn"}
	_, err = c.Create(t.Context(), "h1", spec)
	require.ErrorIs(t, err, agent.ErrUnavailable)
	require.ErrorContains(t, err, "being deleted")
	close(hold)
	require.NoError(t, <-deleted)
	_, err = c.Create(t.Context(), "h1", spec)
	require.NoError(t, err)
}

// Requests to the host take room like those to its agents.
func TestOrdersTakeRoom(t *testing.T) {
	s := newStage(t)
	hold := make(chan struct{})
	h := s.host("h1", agent.NewRegistry().Add("slow", func(_ context.Context, self *agent.Self, _ []byte) (agent.Agent, error) {
		<-hold
		return &script{self: self, reply: echo}, nil
	}), func(c *Config) { c.MaxWaiting = 3 })
	c := s.client()
	spec := agent.Spec{Name: "a", Kind: "slow"}
	answers := make(chan error, 3)
	for i := range 3 { // the first makes it, the second waits for that, the third is the second again
		go func() {
			_, err := c.Create(agent.WithRequestID(t.Context(), []string{"x", "y", "y"}[i]), "h1", spec)
			answers <- err
		}()
		require.Eventually(t, func() bool { return h.waiting() == i+1 }, waitFor, pollEvery)
	}
	_, err := c.Create(t.Context(), "h1", agent.Spec{Name: "b", Kind: "slow"})
	require.ErrorIs(t, err, agent.ErrCrowded)
	close(hold)
	for range 3 {
		require.NoError(t, <-answers)
	}
	_, err = c.Create(t.Context(), "h1", agent.Spec{Name: "b", Kind: "slow"})
	require.NoError(t, err)
	require.ErrorIs(t, c.Delete(t.Context(), "code.h1.nobody"), agent.ErrNoAgent)
	require.Zero(t, h.waiting())
}

// Stop waits for a request that the subscription is about to hand on.
func TestStopWaitsForSubscriptions(t *testing.T) {
	s := newStage(t)
	h := s.host("h1", kinds())
	c := s.client()
	s.create(c, "h1", "a", "echo")
	r := h.runs["r1"]
	r.mu.Lock()
	ctx, cancel := context.WithCancel(t.Context())
	listed := make(chan error, 1)
	go func() {
		_, err := c.List(ctx, "h1")
		listed <- err
	}()
	stacks := make([]byte, 1<<20)
	require.Eventually(t, func() bool {
		return strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), "(*run).all(")
	}, waitFor, pollEvery, "the request waits for the list of agents")
	cancel()
	require.Error(t, <-listed)
	require.ErrorContains(t, h.Stop(ctx), "does not end")
	r.mu.Unlock()
}

// An answer that the broker does not carry is an error, and not a wait for ever.
func TestAnAnswerThatDoesNotFit(t *testing.T) {
	small, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, MaxPayload: 64 << 10, NoSigs: true})
	require.NoError(t, err)
	small.Start()
	defer small.WaitForShutdown()
	defer small.Shutdown()
	require.True(t, small.ReadyForConnections(waitFor))
	nc, err := nats.Connect(small.ClientURL())
	require.NoError(t, err)
	defer nc.Close()
	rt := &Runtime{nc: nc, log: slog.New(slog.DiscardHandler)}
	_, err = nc.Subscribe("agent", func(m *nats.Msg) {
		rt.answer(m, msg.JSON, say(strings.Repeat("x", 64<<10)), nil)
	})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), waitFor)
	defer cancel()
	_, err = wire.Ask(ctx, nc, "agent", wire.Request{})
	require.ErrorIs(t, err, agent.ErrTooLarge)
	require.ErrorContains(t, err, "the broker carries")
}

// Whoever asks about what is not there leaves nothing behind.
func TestNothingStaysOfWhatIsNotThere(t *testing.T) {
	s := newStage(t)
	h := s.host("h1", kinds())
	c, q := s.client(), s.square()
	require.ErrorIs(t, q.hear(c, "h1"), wire.ErrNoHub)
	list, err := c.In("other").List(t.Context(), "h1")
	require.NoError(t, err)
	require.Empty(t, list)
	require.ErrorIs(t, c.Delete(t.Context(), "code.h1.a"), agent.ErrNoAgent)
	_, err = c.Clone(t.Context(), "code.h1.a", "b")
	require.ErrorIs(t, err, agent.ErrNoAgent)
	_, err = c.Create(t.Context(), "h1", agent.Spec{Name: "a", Kind: "nothing"})
	require.ErrorIs(t, err, agent.ErrNoKind)
	require.Empty(t, h.runs)
}

// However many agents heard the same, a record of it is one that the broker takes.
func TestGroupsAreBounded(t *testing.T) {
	const agents = 400_000
	b := newBody()
	n := 0
	for n < agents && b.add(&entry{kind: entryHeard, hub: "h", upto: 7, numbers: []int{1_000_000 + 2*n}}) {
		n++
	}
	require.Less(t, n, agents)
	require.Less(t, len(b.bytes()), 1<<20-recordRoom)
	require.True(t, newBody().add(&entry{kind: entryHeard, hub: "h", upto: 7, numbers: []int{n}}))
}

// An agent that was made after it took part in a hub hears what is said from then on, whatever becomes of its host.
func TestAnAgentHearsNothingFromBeforeItsTime(t *testing.T) {
	s := newStage(t)
	h := s.host("h1", kinds())
	c, q := s.client(), s.square()
	q.member(subjects.SaidJoined, s.create(c, "h1", "ann", "echo"))
	for _, name := range []string{"late", "twin"} {
		q.member(subjects.SaidJoined, subjects.CodeAddress("h1", name))
	}
	require.NoError(t, q.hear(c, "h1"))
	q.say("agent.0.1", "one")
	q.flush()
	h.remembers(t, "ann", "one")
	late := s.create(c, "h1", "late", "echo")
	_, err := c.Clone(t.Context(), late, "twin")
	require.NoError(t, err)
	h.crash(t)
	h = s.host("h1", kinds())
	q.say("agent.0.1", "two")
	q.flush()
	h.remembers(t, "ann", "one", "two")
	h.remembers(t, "late", "two")
	h.remembers(t, "twin", "two")
}
