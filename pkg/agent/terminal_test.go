package agent_test

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/msg"
)

// screen is what a person has seen.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// seat makes an agent of a kind outside of any host.
func seat(t *testing.T, kind agent.Kind, name string) (agent.Agent, *agent.Self) {
	self := &agent.Self{Name: name, Memory: agent.NewMemory(), Client: newStage(t).client}
	a, err := kind(t.Context(), self, nil)
	require.NoError(t, err)
	return a, self
}

func TestAPersonAtATerminal(t *testing.T) {
	in, typed := io.Pipe()
	defer in.Close()
	out := new(screen)
	s := newStage(t)
	s.host("h", agent.NewRegistry().Add("person", agent.UserAt(in, out)))
	a := s.create("h", "ann", "person", `{"name":"Ann"}`)
	require.NoError(t, s.client.Observe(t.Context(), a, say("Cid", "it \x1b[2Jrains")))
	require.NoError(t, s.client.Observe(t.Context(), a))
	promise, err := s.client.Call(t.Context(), a, say("Bob", "how much?"), say("", "be quick"))
	require.NoError(t, err)
	_, err = io.WriteString(typed, "three\r\n")
	require.NoError(t, err)
	got, err := s.client.Resolve(t.Context(), promise)
	require.NoError(t, err)
	require.Equal(t, "three", got.Content.String())
	require.Equal(t, "Ann", got.Name)
	require.Equal(t, msg.RoleUser, got.Role)
	require.Equal(t, "Cid: it [2Jrains\nBob: how much?\nbe quick\nAnn> ", out.String(), "what controls a terminal is left out")
	require.Equal(t, []string{"Cid: it \x1b[2Jrains", "Bob: how much?", ": be quick", "Ann: three"}, s.remembered(a))

	go func() { _, _ = io.WriteString(typed, "a secret\n") }()
	got, err = s.client.Interview(t.Context(), a, say("Bob", "really?"))
	require.NoError(t, err)
	require.Equal(t, "a secret", got.Content.String())
	require.Len(t, s.remembered(a), 4, "nothing of an interview stays")
}

// Two agents share a terminal: one question at a time, and each line answers the question above it.
func TestOneTerminalForTwo(t *testing.T) {
	in, typed := io.Pipe()
	defer in.Close()
	out := new(screen)
	kind := agent.UserAt(in, out)
	a, _ := seat(t, kind, "ann")
	b, _ := seat(t, kind, "ben")
	var group errgroup.Group
	answers := make([]string, 2)
	for i, one := range []agent.Agent{a, b} {
		group.Go(func() error {
			m, err := one.Reply(t.Context(), say("x", "?"))
			answers[i] = m.Content.String()
			return err
		})
	}
	for i := range 2 {
		var asked string
		require.Eventually(t, func() bool {
			lines := strings.Split(out.String(), "\n")
			asked = lines[len(lines)-1]
			return len(lines) == 2+i
		}, waitFor, pollEvery)
		_, err := io.WriteString(typed, "I am "+asked[strings.LastIndex(asked, "?")+1:]+"\n")
		require.NoError(t, err)
	}
	require.NoError(t, group.Wait())
	require.Equal(t, []string{"I am ann> ", "I am ben> "}, answers)
}

func TestAQuestionThatIsGivenUp(t *testing.T) {
	in, typed := io.Pipe()
	defer in.Close()
	out := new(screen)
	a, self := seat(t, agent.UserAt(in, out), "ann")
	ctx, cancel := context.WithCancel(t.Context())
	var group errgroup.Group
	group.Go(func() error {
		_, err := a.Reply(ctx, say("x", "one?"))
		return err
	})
	require.Eventually(t, func() bool { return strings.HasSuffix(out.String(), "> ") }, waitFor, pollEvery)
	cancel()
	require.ErrorIs(t, group.Wait(), context.Canceled)
	require.Zero(t, self.Memory.Len())

	group = errgroup.Group{}
	group.Go(func() error {
		m, err := a.Reply(t.Context(), say("x", "two?"))
		require.Equal(t, "yes", m.Content.String())
		return err
	})
	require.Eventually(t, func() bool { return strings.HasSuffix(out.String(), "two?\nann> ") }, waitFor, pollEvery)
	_, err := io.WriteString(typed, "yes\n")
	require.NoError(t, err)
	require.NoError(t, group.Wait())
}

func TestTheEndOfATerminal(t *testing.T) {
	a, _ := seat(t, agent.UserAt(strings.NewReader("one\n"+strings.Repeat("x", 1<<20)+"\n\nlast"), io.Discard), "ann")
	ask := func() (string, error) {
		m, err := a.Reply(t.Context())
		return m.Content.String(), err
	}
	got, err := ask()
	require.NoError(t, err)
	require.Equal(t, "one", got)
	_, err = ask()
	require.ErrorIs(t, err, agent.ErrTooLarge)
	got, err = ask()
	require.NoError(t, err)
	require.Empty(t, got, "an empty line is an answer")
	got, err = ask()
	require.NoError(t, err)
	require.Equal(t, "last", got)
	for range 2 {
		_, err = ask()
		require.ErrorIs(t, err, agent.ErrUnavailable)
		require.ErrorIs(t, err, io.EOF)
	}
	gone, err := agent.UserAt(strings.NewReader("one\n"), brokenScreen{})(t.Context(), &agent.Self{Name: "b", Memory: agent.NewMemory()}, nil)
	require.NoError(t, err)
	_, err = gone.Reply(t.Context())
	require.ErrorIs(t, err, agent.ErrUnavailable)
}

type brokenScreen struct{}

func (brokenScreen) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
