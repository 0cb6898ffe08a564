package actor

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

func kinds() *agent.Registry {
	return agent.NewRegistry().Add("echo", replies(echo)).Add("counter", newCounter)
}

func number(t *testing.T, m msg.Msg) (n int) {
	t.Helper()
	require.NoError(t, m.Content.Decode(&n))
	return n
}

// The verbs of an agent and of its host, one after the other.
func TestAnAgentsLife(t *testing.T) {
	s := newStage(t)
	h := s.host("h1", kinds())
	c := s.client()
	a := s.create(c, "h1", "ann", "counter")
	require.EqualValues(t, "code.h1.ann", a)
	require.Equal(t, 1, h.Agents())

	out, err := c.Reply(t.Context(), a, say("one"))
	require.NoError(t, err)
	require.Equal(t, 1, number(t, out))
	require.Equal(t, "ann", out.Name)
	require.NoError(t, c.Observe(t.Context(), a, say("two")))
	promise, err := c.Call(t.Context(), a, say("three"))
	require.NoError(t, err)
	require.True(t, promise.Pending())
	out, err = c.Resolve(t.Context(), promise)
	require.NoError(t, err)
	require.Equal(t, 2, number(t, out))

	out, err = c.Interview(t.Context(), a, say("four"))
	require.NoError(t, err)
	require.Equal(t, 3, number(t, out))
	out, err = c.State(t.Context(), a)
	require.NoError(t, err)
	var state struct {
		Kind         string
		State        struct{ N int }
		MemoryLength int `json:"memory_length"`
		Memory       []msg.Msg
		Handled      int
	}
	require.NoError(t, out.Content.Decode(&state))
	require.Equal(t, "counter", state.Kind)
	require.Equal(t, 2, state.State.N, "the interview left no trace")
	require.Equal(t, 3, state.MemoryLength)
	require.Equal(t, "three", state.Memory[2].Content.String())
	require.Equal(t, 4, state.Handled)

	b, err := c.Clone(t.Context(), a, "bob")
	require.NoError(t, err)
	out, err = c.Reply(t.Context(), b, say("five"))
	require.NoError(t, err)
	require.Equal(t, 3, number(t, out))
	out, err = c.Reply(t.Context(), a)
	require.NoError(t, err)
	require.Equal(t, 3, number(t, out))

	list, err := c.List(t.Context(), "h1")
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, agent.Info{Name: "ann", Kind: "counter", Address: a, Handled: 5}, list[0])
	require.NoError(t, c.Delete(t.Context(), a))
	_, err = c.Reply(t.Context(), a)
	require.ErrorIs(t, err, agent.ErrNoAgent)
	require.Equal(t, 1, h.Agents())
}

// Starting and stopping, with everything in use, leaves nothing behind; TestMain looks for goroutines at the end.
func TestStartAndStop(t *testing.T) {
	s := newStage(t)
	c, q := s.client(), s.square()
	for i := range 30 {
		h := s.host("h1", kinds())
		a := s.create(c, "h1", "a", "echo")
		q.member(subjects.SaidJoined, a)
		require.NoError(t, q.hear(c, "h1"))
		q.say("agent.0.1", "hello")
		q.flush()
		_, err := c.Call(t.Context(), a, say("left behind"))
		require.NoError(t, err)
		if i%3 == 0 {
			h.crash(t)
		} else {
			h.end(t)
		}
	}
	h := s.host("h1", kinds())
	require.Eventually(t, func() bool {
		n := 0
		for _, m := range h.runs["r1"].agent("a").self.Memory.Messages() {
			if m.Content.String() == "hello" {
				n++
			}
		}
		return n == 30
	}, waitFor, pollEvery, "what was said while nobody was there is heard, once")
}
