package actor

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// square writes what a hub server writes.
type square struct {
	*stage
	nc   *nats.Conn
	hub  string
	wait []*nats.Msg // not in the stream yet
}

func (s *stage) square() *square {
	return &square{stage: s, nc: s.srv.InProcess(s.TB), hub: "square"}
}

func (q *square) put(kind string, sender subjects.Address, content msg.Content) {
	data, err := msg.Msgpack.Encode(msg.New(string(sender), msg.RoleUser, content))
	require.NoError(q, err)
	m := nats.NewMsg(subjects.HubSaid("r1", q.hub))
	m.Data = data
	m.Header.Set(subjects.HeaderKind, kind)
	if sender != "" {
		m.Header.Set(subjects.HeaderSender, string(sender))
	}
	if q.wait = append(q.wait, m); len(q.wait) == 250 {
		q.flush()
	}
}

// flush puts what was said into the stream.
func (q *square) flush() {
	if len(q.wait) > 0 {
		_, err := bus.PublishBatch(q.Context(), q.nc, q.wait)
		require.NoError(q, err)
		q.wait = nil
	}
}

func (q *square) member(kind string, who subjects.Address) {
	content, err := msg.Data(map[string]any{"address": who})
	require.NoError(q, err)
	q.put(kind, "", content)
}

func (q *square) say(who subjects.Address, text string) {
	q.put(subjects.SaidMessage, who, msg.Text(text))
}

// hear asks a host to deliver what is said.
func (q *square) hear(c *agent.Client, host string) error {
	q.flush()
	content, err := msg.Data(map[string]any{"hub": q.hub})
	require.NoError(q, err)
	_, err = wire.Ask(q.Context(), c.Conn(), subjects.Host("r1", host, subjects.VerbHear), wire.Request{Msgs: []msg.Msg{{Content: content}}})
	return err
}

func texts(list []msg.Msg) (out []string) {
	for _, m := range list {
		out = append(out, m.Content.String())
	}
	return out
}

// remembers waits until an agent has heard exactly some texts.
func (h *life) remembers(t testing.TB, name string, want ...string) {
	t.Helper()
	a := h.runs["r1"].agent(name)
	var got []string
	require.Eventually(t, func() bool {
		got = texts(a.self.Memory.Messages())
		return len(got) >= len(want)
	}, waitFor, pollEvery, "%s", name)
	require.Equal(t, want, got, name)
}

// Who takes part in a hub hears what others say between its joining and its leaving, in order.
func TestHub(t *testing.T) {
	s := newStage(t)
	h := s.host("h1", kinds())
	c, q := s.client(), s.square()
	ann, bob := s.create(c, "h1", "ann", "echo"), s.create(c, "h1", "bob", "echo")
	s.create(c, "h1", "out", "echo")
	q.member(subjects.SaidCreated, "")
	q.member(subjects.SaidJoined, ann)
	q.say("agent.0.1", "one")
	require.NoError(t, q.hear(c, "h1"))
	require.NoError(t, q.hear(c, "h1"), "twice is once")
	q.member(subjects.SaidJoined, bob)
	q.member(subjects.SaidJoined, "code.h2.else")
	q.member(subjects.SaidJoined, "agent.0.1")
	q.say(ann, "two")
	q.put(subjects.SaidAnnouncement, "", msg.Text("three"))
	q.member(subjects.SaidLeft, ann)
	q.say(bob, "four")
	q.member(subjects.SaidJoined, ann)
	q.say("agent.0.1", "five")
	q.flush()
	h.remembers(t, "ann", "one", "three", "five")
	h.remembers(t, "bob", "two", "three", "five")
	q.member(subjects.SaidDeleted, "")
	q.flush()
	require.Eventually(t, func() bool {
		hub := h.runs["r1"].hub("square")
		hub.mu.Lock()
		defer hub.mu.Unlock()
		return !hub.follows
	}, waitFor, pollEvery)
	h.crash(t)
	h = s.host("h1", kinds())
	q.say("agent.0.1", "to nobody")
	q.member(subjects.SaidCreated, "")
	q.member(subjects.SaidJoined, ann)
	q.say("agent.0.1", "six")
	require.NoError(t, q.hear(c, "h1"))
	h.remembers(t, "ann", "one", "three", "five", "six")
	q.member(subjects.SaidDeleted, "") // and made again before the host learns of it
	q.member(subjects.SaidCreated, "")
	q.member(subjects.SaidJoined, bob)
	q.say(ann, "seven")
	q.flush()
	h.remembers(t, "bob", "two", "three", "five", "seven")
	h.remembers(t, "ann", "one", "three", "five", "six")
	require.Zero(t, h.runs["r1"].agent("out").self.Memory.Len())
}

// A participant that does not take what was said keeps nobody else from hearing, nor itself from what comes later; one that
// takes long keeps nobody from hearing either.
func TestHubWithTrouble(t *testing.T) {
	s := newStage(t)
	hold := make(chan struct{})
	reg := kinds().Add("picky", func(_ context.Context, self *agent.Self, _ []byte) (agent.Agent, error) {
		return &script{self: self, observe: func(_ context.Context, self *agent.Self, in ...msg.Msg) error {
			self.Memory.Append(in...)
			if in[0].Content.String() == "two" {
				return errors.New("not this one")
			}
			return nil
		}}, nil
	}).Add("slow", func(_ context.Context, self *agent.Self, _ []byte) (agent.Agent, error) {
		return &script{self: self, observe: func(_ context.Context, self *agent.Self, in ...msg.Msg) error {
			<-hold
			self.Memory.Append(in...)
			return nil
		}}, nil
	})
	h := s.made("h1", reg)
	quiet(h)
	require.NoError(t, h.Start(t.Context()))
	c, q := s.client(), s.square()
	for name, kind := range map[string]string{"ann": "echo", "picky": "picky", "slow": "slow"} {
		q.member(subjects.SaidJoined, s.create(c, "h1", name, kind))
	}
	q.flush()
	require.NoError(t, q.hear(c, "h1"))
	for i, text := range []string{"one", "two", "three"} {
		q.say("agent.0.1", text)
		q.flush()
		h.remembers(t, "ann", []string{"one", "two", "three"}[:i+1]...)
	}
	h.remembers(t, "picky", "one", "three")
	close(hold)
	h.remembers(t, "slow", "one", "two", "three")
	require.Eventually(t, func() bool { return h.runs["r1"].agent("picky").unlogged.Load() == 0 }, waitFor, pollEvery)
	h.crash(t)
	h = s.host("h1", reg)
	h.remembers(t, "picky", "one", "three")
}

// crowd makes a host with many participants, who also say what is said.
func (q *square) crowd(c *agent.Client, host string, n int) (members []subjects.Address) {
	q.Helper()
	errs := make(chan error, 8)
	for w := range 8 {
		go func() {
			for i := w; i < n; i += 8 {
				if _, err := c.Create(q.Context(), host, agent.Spec{Name: fmt.Sprint("p", i), Kind: "echo"}); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range 8 {
		require.NoError(q, <-errs)
	}
	for i := range n {
		members = append(members, subjects.CodeAddress(host, fmt.Sprint("p", i)))
		q.member(subjects.SaidJoined, members[i])
	}
	require.NoError(q, q.hear(c, host))
	return members
}

// A host that dies again and again while much is said loses nothing and says nothing twice.
func TestHubSurvivesCrashes(t *testing.T) {
	const participants, messages, crashes = 30, 1000, 4
	s := newStage(t)
	h := s.host("h1", kinds())
	c, q := s.client(), s.square()
	members := q.crowd(c, "h1", participants)
	var said atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range messages {
			q.say(members[i%participants], fmt.Sprint(i))
			said.Add(1)
		}
		q.flush()
	}()
	for i := range crashes {
		require.Eventually(t, func() bool { return said.Load() >= int64(messages*(i+1)/(crashes+2)) }, waitFor, pollEvery)
		h.crash(t)
		h = s.host("h1", kinds())
	}
	<-done
	for p := range participants {
		var want []string
		for i := range messages {
			if i%participants != p {
				want = append(want, fmt.Sprint(i))
			}
		}
		h.remembers(t, fmt.Sprint("p", p), want...)
	}
}
