package actor

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// quiet drops what a host logs about agents that are meant to fail.
func quiet(h *life) { h.log = slog.New(slog.DiscardHandler) }

// A message that fails changes nothing, whatever the agent had done by then.
func TestFailuresAreTakenBack(t *testing.T) {
	s := newStage(t)
	h := s.made("h1", kinds())
	quiet(h)
	require.NoError(t, h.Start(t.Context()))
	c := s.client()
	a := s.create(c, "h1", "a", "counter")
	_, err := c.Reply(t.Context(), a, say("one"))
	require.NoError(t, err)
	records := s.records("h1")
	for text, says := range map[string]string{"fail": "asked to fail", "panic": "it was asked to", "unfit": "UTF-8"} {
		_, err := c.Reply(t.Context(), a, say(text))
		require.ErrorIs(t, err, agent.ErrFailed)
		require.ErrorContains(t, err, says)
	}
	require.Equal(t, records, s.records("h1"), "nothing changed, nothing is logged")
	require.Equal(t, 1, h.runs["r1"].agent("a").self.Memory.Len())
	out, err := c.Reply(t.Context(), a, say("two"))
	require.NoError(t, err)
	require.Equal(t, 2, number(t, out))
}

// A failure with a request id is an outcome: it is not tried again.
func TestFailuresAreOutcomes(t *testing.T) {
	s := newStage(t)
	h := s.made("h1", kinds())
	quiet(h)
	require.NoError(t, h.Start(t.Context()))
	c := s.client()
	a := s.create(c, "h1", "a", "counter")
	ctx := agent.WithRequestID(t.Context(), "x")
	for range 2 {
		_, err := c.Reply(ctx, a, say("fail"))
		require.ErrorIs(t, err, agent.ErrFailed)
		require.EqualError(t, err, "it was asked to fail")
	}
	_, handled := h.runs["r1"].agent("a").counts()
	require.EqualValues(t, 1, handled)
}

// An agent that panicked and has no state of its own is made again: nobody knows what it left behind.
func TestPanicOfAPlainAgent(t *testing.T) {
	s := newStage(t)
	made := 0
	reg := agent.NewRegistry().Add("once", func(_ context.Context, self *agent.Self, _ []byte) (agent.Agent, error) {
		made++
		life := made
		self.Memory.Append(say("made"))
		if made > 2 {
			return nil, errors.New("worn out")
		}
		return &script{self: self, reply: func(context.Context, *agent.Self, ...msg.Msg) (msg.Msg, error) {
			if life == 1 {
				panic("first")
			}
			panic("second")
		}}, nil
	})
	h := s.made("h1", reg)
	quiet(h)
	require.NoError(t, h.Start(t.Context()))
	c := s.client()
	a := s.create(c, "h1", "a", "once")
	for _, says := range []string{"first", "second", "worn out"} {
		_, err := c.Reply(t.Context(), a)
		require.ErrorContains(t, err, says)
	}
	require.Equal(t, 1, h.runs["r1"].agent("a").self.Memory.Len(), "what its kind does to the memory happened once")
}

// What a host is asked and cannot do has an error of its own, and leaves nothing behind.
func TestRefusals(t *testing.T) {
	s := newStage(t)
	h := s.made("h1", kinds().Add("none", func(context.Context, *agent.Self, []byte) (agent.Agent, error) { return nil, nil }))
	quiet(h)
	require.NoError(t, h.Start(t.Context()))
	c := s.client()
	a := s.create(c, "h1", "a", "echo")
	for want, spec := range map[error]agent.Spec{
		agent.ErrNoKind:     {Name: "b", Kind: "nothing"},
		agent.ErrBadRequest: {Name: "a\nb", Kind: "echo"},
		agent.ErrExists:     {Name: "a", Kind: "counter"},
		agent.ErrFailed:     {Name: "c", Kind: "none"},
	} {
		_, err := c.Create(t.Context(), "h1", spec)
		require.ErrorIs(t, err, want)
	}
	_, err := c.Create(t.Context(), "h1", agent.Spec{Name: strings.Repeat("x", maxName+1), Kind: "echo"})
	require.ErrorIs(t, err, agent.ErrBadRequest)
	_, err = c.Create(t.Context(), "h1", agent.Spec{Name: "d", Kind: "counter", Config: "five"})
	require.ErrorContains(t, err, "where to begin")
	again, err := c.Create(t.Context(), "h1", agent.Spec{Name: "a", Kind: "echo"})
	require.NoError(t, err)
	require.Equal(t, a, again)
	require.Equal(t, 1, h.Agents())

	ask := func(subject, data string) error {
		m := nats.NewMsg(subject)
		m.Header.Set(subjects.HeaderContentType, msg.ContentJSON)
		m.Data = []byte(data)
		answer, err := c.Conn().RequestMsgWithContext(t.Context(), m)
		require.NoError(t, err)
		_, err = wire.ReadAnswer(answer)
		return err
	}
	require.ErrorIs(t, ask("myriad.run.r1.code.h1.a.dance", ""), agent.ErrBadRequest)
	require.ErrorIs(t, ask("myriad.run.r1.code.h1.a.reply", "{"), agent.ErrBadRequest)
	require.ErrorIs(t, ask("myriad.run.r1.code.h1.nobody.reply", ""), agent.ErrNoAgent)
	require.ErrorIs(t, ask("myriad.run.r1.host.h1.dance", ""), agent.ErrBadRequest)
	require.ErrorIs(t, ask("myriad.run.r1.host.h1.create", `{"content":7}`), agent.ErrBadRequest)
	require.ErrorIs(t, ask("myriad.run.r1.host.h1.delete", `{"content":{"name":"nobody"}}`), agent.ErrNoAgent)
	require.NoError(t, ask("myriad.run.r1.host.h1.create", `{"content":{"name":"json","kind":"echo"}}`))
	require.NoError(t, ask("myriad.run.r1.code.h1.json.reply", `{"content":"hello"}`))
}

// What does not fit into a record of the log does not happen; what fits by itself does.
func TestTooLarge(t *testing.T) {
	s := newStage(t)
	h := s.host("h1", kinds().Add("hoard", replies(func(_ context.Context, self *agent.Self, in ...msg.Msg) (msg.Msg, error) {
		for range 10 {
			self.Memory.Append(say(in[0].Content.String()))
		}
		return msg.Msg{}, nil
	})))
	c := s.client()
	large := strings.Repeat("x", 900_000)
	a := s.create(c, "h1", "a", "hoard")
	_, err := c.Reply(t.Context(), a, say(large))
	require.ErrorIs(t, err, agent.ErrTooLarge)
	require.Zero(t, h.runs["r1"].agent("a").self.Memory.Len())
	for range 10 {
		_, err = c.Reply(t.Context(), a, say(large[:12_000]))
		require.NoError(t, err)
	}
	_, err = c.Clone(t.Context(), a, "b")
	require.NoError(t, err)
	out, err := c.State(t.Context(), subjects.CodeAddress("h1", "b"))
	require.NoError(t, err, "a memory that does not fit into an answer shows less of itself")
	var state struct {
		MemoryLength int `json:"memory_length"`
		Memory       []msg.Msg
	}
	require.NoError(t, out.Content.Decode(&state))
	require.Equal(t, 100, state.MemoryLength)
	require.NotEmpty(t, state.Memory)
	require.Less(t, len(state.Memory), 100)
}
