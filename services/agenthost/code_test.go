package agenthost

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/hosts"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// parrot says what it was told, with what it was told before.
type parrot struct{ self *agent.Self }

func (p *parrot) Reply(_ context.Context, in ...msg.Msg) (msg.Msg, error) {
	p.self.Memory.Append(in...)
	text := ""
	for _, m := range p.self.Memory.Messages() {
		text += m.Content.String()
	}
	return msg.New(p.self.Name, msg.RoleAssistant, msg.Text(text)), nil
}

func (p *parrot) Observe(_ context.Context, in ...msg.Msg) error {
	p.self.Memory.Append(in...)
	return nil
}

func parrots() *agent.Registry {
	return agent.NewRegistry().Add("parrot", func(_ context.Context, self *agent.Self, _ []byte) (agent.Agent, error) {
		return &parrot{self}, nil
	})
}

func (s *stage) client() *agent.Client {
	c, err := agent.NewClient(s.srv.InProcess(s), "r1", natstest.Logger(s))
	require.NoError(s, err)
	s.Cleanup(c.Close)
	return c
}

// A host serves code agents beside those of scenarios, under its id, counts them, and has them back when it starts again.
func TestCodeAgents(t *testing.T) {
	s := newStage(t)
	cfg := quick()
	cfg.ID, cfg.Kinds = "h1", parrots()
	h := s.host(cfg)
	c := s.client()
	a, err := c.Create(t.Context(), "h1", agent.Spec{Name: "polly", Kind: "parrot"})
	require.NoError(t, err)
	_, err = c.Reply(t.Context(), a, msg.New("t", msg.RoleUser, msg.Text("one ")))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		list, err := hosts.List(t.Context(), h.register)
		return err == nil && len(list) == 1 && list[0].Agents == 1
	}, waitFor, pollEvery)
	require.NoError(t, h.Stop(t.Context()))
	s.host(cfg)
	out, err := c.Reply(t.Context(), a, msg.New("t", msg.RoleUser, msg.Text("two")))
	require.NoError(t, err)
	require.Equal(t, "one two", out.Content.String())
}

// Two hosts with one id cannot both have code agents: one fails, and its program with it.
func TestOneHostOfAnID(t *testing.T) {
	s := newStage(t)
	cfg := quick()
	cfg.ID, cfg.Kinds = "h1", parrots()
	first, second := s.host(cfg), s.host(cfg)
	c := s.client()
	go func() { // nobody may answer it
		_, _ = c.Create(t.Context(), "h1", agent.Spec{Name: "polly", Kind: "parrot"})
	}()
	ctx, cancel := context.WithTimeout(t.Context(), waitFor)
	defer cancel()
	select {
	case err := <-first.Failed():
		require.ErrorContains(t, err, "another program serves host")
	case err := <-second.Failed():
		require.ErrorContains(t, err, "another program serves host")
	case <-ctx.Done():
		t.Fatal("both go on")
	}
}

// An agent of a scenario is reached like any other: calls are promises, several messages are one text, what was promised is
// resolved first, and errors have their codes.
func TestCallsToAgentsOfAScenario(t *testing.T) {
	s := newStage(t)
	cfg := quick()
	cfg.ID, cfg.Kinds = "h1", parrots()
	h := s.host(cfg)
	s.proxy(echo)
	s.create(guess(2, ""), 2, 2, h)
	s.knows(h, func(r *run) bool { return len(r.listeners) > 0 })
	c := s.client()
	to := subjects.PopulationAddress(0, 0)
	say := func(text string) msg.Msg { return msg.New("visitor", msg.RoleUser, msg.Text(text)) }
	_, err := c.Reply(t.Context(), to, say("too early"))
	require.ErrorIs(t, err, agent.ErrUnavailable)
	s.open()
	s.complete()
	s.idle(h)

	p, err := c.Call(t.Context(), to, say("one"), say("two"))
	require.NoError(t, err)
	require.True(t, p.Pending())
	out, err := c.Resolve(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, "you said one\n\ntwo", out.Content.String())
	require.Equal(t, 1, s.messages())

	polly, err := c.Create(t.Context(), "h1", agent.Spec{Name: "polly", Kind: "parrot"})
	require.NoError(t, err)
	p, err = c.Call(t.Context(), polly, say("three"))
	require.NoError(t, err)
	out, err = c.Reply(t.Context(), to, p)
	require.NoError(t, err)
	require.Equal(t, "you said three", out.Content.String())

	p, err = c.Call(agent.WithRequestID(t.Context(), "x"), to, say("four"))
	require.NoError(t, err)
	first, err := c.Resolve(t.Context(), p)
	require.NoError(t, err)
	same, err := c.Call(agent.WithRequestID(t.Context(), "x"), to, say("something else"))
	require.NoError(t, err)
	require.Equal(t, p.Placeholder, same.Placeholder, "a repeated call gives the same promise")
	again, err := c.Reply(agent.WithRequestID(t.Context(), "x"), to, say("something else"))
	require.NoError(t, err)
	require.Equal(t, first, again)

	_, err = c.Reply(t.Context(), subjects.PopulationAddress(0, 7), say("anybody?"))
	require.ErrorIs(t, err, agent.ErrNoAgent)
	p, err = c.Call(t.Context(), to, say(string(make([]byte, maxContent+1))))
	require.NoError(t, err)
	_, err = c.Resolve(t.Context(), p)
	require.ErrorIs(t, err, agent.ErrTooLarge)
	_, err = wire.Ask(t.Context(), s.nc, "myriad.run.r1.agent.0.0.dance", wire.Request{})
	require.ErrorIs(t, err, agent.ErrBadRequest)
}
