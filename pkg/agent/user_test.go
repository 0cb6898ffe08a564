package agent_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

type open struct {
	Number int
	Text   string
	Asked  time.Time
}

// questions are what the state of a user agent lists.
func (s *stage) questions(a subjects.Address) []open {
	s.Helper()
	out, err := s.client.State(s.Context(), a)
	require.NoError(s, err)
	var state struct{ State struct{ Questions []open } }
	require.NoError(s, out.Content.Decode(&state))
	return state.State.Questions
}

// answering is a person's answer to a question.
func answering(number any, text string) msg.Msg {
	m := msg.New("", "", msg.Text(text))
	m.Metadata = map[string]any{agent.AnswersKey: number, "mood": "good"}
	return m
}

func TestAPersonAnswers(t *testing.T) {
	s := newStage(t)
	s.host("h", agent.NewRegistry())
	listener := s.create("h", "listener", "dialog", `{"lines":["yes"]}`)
	a := s.create("h", "ann", "user", `{"name":"Ann","audience":["`+string(listener)+`"]}`)
	first, err := s.client.Call(t.Context(), a, say("Bob", "how much?"), say("", "be quick"))
	require.NoError(t, err)
	second, err := s.client.Call(t.Context(), a)
	require.NoError(t, err)
	require.NoError(t, s.client.Observe(t.Context(), a, say("Cid", "it rains")), "nothing is held up")
	list := s.questions(a)
	require.Len(t, list, 2)
	require.Equal(t, 1, list[0].Number)
	require.Equal(t, "Bob: how much?\nbe quick", list[0].Text)
	require.WithinDuration(t, time.Now(), list[0].Asked, time.Minute)

	for _, wrong := range [][]msg.Msg{
		{answering(3, "x")}, {answering("two", "x")}, {answering(nil, "x")}, {answering(1, "x"), answering(1, "y")}, {answering(1, "x"), answering(9, "y")},
	} {
		err := s.client.Observe(t.Context(), a, wrong...)
		require.ErrorContains(t, err, "is not open; open are [1 2]")
	}
	require.Len(t, s.questions(a), 2, "nothing was done")

	require.NoError(t, s.client.Observe(t.Context(), a, answering("2", "second"), say("Cid", "still"), answering(1, "first")))
	out, err := s.client.Resolve(t.Context(), first)
	require.NoError(t, err)
	require.Equal(t, "first", out.Content.String())
	require.Equal(t, "Ann", out.Name)
	require.Equal(t, map[string]any{"mood": "good"}, out.Metadata)
	out, err = s.client.Resolve(t.Context(), second)
	require.NoError(t, err)
	require.Equal(t, "second", out.Content.String())
	require.Empty(t, s.questions(a))
	require.Equal(t, []string{"Bob: how much?", ": be quick", "Cid: it rains", "Ann: second", "Cid: still", "Ann: first"}, s.remembered(a))
	_, err = s.client.Reply(t.Context(), listener)
	require.NoError(t, err)
	require.Equal(t, []string{"Ann: second", "Ann: first", "listener: yes"}, s.remembered(listener))

	require.ErrorContains(t, s.client.Observe(t.Context(), a, answering(1, "again")), "is not open")
	_, err = s.client.Interview(t.Context(), a, say("Bob", "in secret?"))
	require.ErrorContains(t, err, "a person cannot be interviewed")
	require.Empty(t, s.questions(a))
}

func TestAQuestionThatIsCancelled(t *testing.T) {
	s := newStage(t)
	s.host("h", agent.NewRegistry())
	a := s.create("h", "ann", "user", "")
	promise, err := s.client.Call(t.Context(), a, say("Bob", "how much?"))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(s.questions(a)) == 1 }, waitFor, pollEvery)
	kept, err := s.client.Call(t.Context(), a, say("Bob", "how many?"))
	require.NoError(t, err)
	require.NoError(t, s.client.Cancel(t.Context(), promise))
	_, err = s.client.Resolve(t.Context(), promise)
	require.ErrorIs(t, err, agent.ErrCancelled)
	require.Eventually(t, func() bool {
		return s.client.Observe(t.Context(), a, answering(1, "3")) != nil
	}, waitFor, pollEvery)
	require.NoError(t, s.client.Observe(t.Context(), a, answering(2, "4")))
	out, err := s.client.Resolve(t.Context(), kept)
	require.NoError(t, err)
	require.Equal(t, "4", out.Content.String())
}

// A question ends with the program that asked it, and says so; the next one has a number of its own.
func TestAQuestionWhoseHostEnds(t *testing.T) {
	s := newStage(t)
	stop := s.host("h", agent.NewRegistry())
	a := s.create("h", "ann", "user", "")
	ctx := agent.WithRequestID(t.Context(), "q")
	promise, err := s.client.Call(ctx, a, say("Bob", "how much?"))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(s.questions(a)) == 1 }, waitFor, pollEvery)
	stop()
	_, err = s.client.Resolve(t.Context(), promise)
	require.ErrorIs(t, err, agent.ErrProducerLost)
	s.host("h", agent.NewRegistry())
	_, err = s.client.Resolve(t.Context(), promise)
	require.ErrorIs(t, err, agent.ErrProducerLost)

	promise, err = s.client.Call(t.Context(), a, say("Bob", "how much now?"))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		list := s.questions(a)
		return len(list) == 1 && list[0].Number == 2
	}, waitFor, pollEvery)
	require.ErrorContains(t, s.client.Observe(t.Context(), a, answering(1, "5")), "open are [2]")
	require.NoError(t, s.client.Observe(t.Context(), a, answering(2, "5")))
	out, err := s.client.Resolve(t.Context(), promise)
	require.NoError(t, err)
	require.Equal(t, "5", out.Content.String())
}

// What is taken back closes what was opened since, and nothing else.
func TestStateOfAPersonIsTakenBack(t *testing.T) {
	s := newStage(t)
	one, err := agent.User(t.Context(), &agent.Self{Name: "ann", Memory: agent.NewMemory(), Client: s.client}, nil)
	require.NoError(t, err)
	state := one.(agent.Stateful)
	first, err := one.Reply(t.Context(), say("Bob", "one?"))
	require.NoError(t, err)
	before, err := state.ExportState()
	require.NoError(t, err)
	second, err := one.Reply(t.Context(), say("Bob", "two?"))
	require.NoError(t, err)
	require.NoError(t, state.ImportState(before))
	again, err := state.ExportState()
	require.NoError(t, err)
	require.Equal(t, string(before), string(again))
	_, err = s.client.Resolve(t.Context(), second)
	require.ErrorIs(t, err, agent.ErrCancelled)
	require.NoError(t, one.Observe(t.Context(), answering(1, "yes")))
	out, err := s.client.Resolve(t.Context(), first)
	require.NoError(t, err)
	require.Equal(t, "yes", out.Content.String())
	require.Error(t, state.ImportState([]byte("no")))
}
