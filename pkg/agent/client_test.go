package agent_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

func TestWhatGoesAlongWithARequest(t *testing.T) {
	s := newStage(t)
	o := s.outsider("o", func(verb string, r wire.Request) (msg.Msg, error) { return say("o", verb), nil })
	me := subjects.CodeAddress("h", "me")
	c := s.client.As(me)
	require.Equal(t, "r1", c.Run())
	require.Equal(t, "r2", c.In("r2").Run())
	ref := c.Agent(o.address)
	require.Equal(t, o.address, ref.Address())
	ctx, cancel := context.WithTimeout(wire.WithChain(t.Context(), []subjects.Address{"code.h.first"}), waitFor)
	defer cancel()
	ctx = agent.WithRequestID(ctx, "id-1")

	for verb, ask := range map[string]func() (msg.Msg, error){
		"reply":     func() (msg.Msg, error) { return ref.Reply(ctx, say("me", "1"), say("me", "2")) },
		"call":      func() (msg.Msg, error) { return ref.Call(ctx, say("me", "1"), say("me", "2")) },
		"interview": func() (msg.Msg, error) { return ref.Interview(ctx, say("me", "1"), say("me", "2")) },
		"observe":   func() (msg.Msg, error) { return say("o", "observe"), ref.Observe(ctx, say("me", "1"), say("me", "2")) },
		"state":     func() (msg.Msg, error) { return ref.State(ctx) },
	} {
		out, err := ask()
		require.NoError(t, err, verb)
		require.Equal(t, verb, out.Content.String())
	}
	require.Len(t, o.requests(), 5)
	end, _ := ctx.Deadline()
	for _, r := range o.requests() {
		require.Equal(t, me, r.Sender, r.verb)
		require.Equal(t, "id-1", r.ID, r.verb)
		require.Equal(t, end.UnixMilli(), r.Deadline.UnixMilli(), r.verb)
		if r.verb == "call" {
			require.Empty(t, r.Chain, "who calls does not wait")
		} else {
			require.Equal(t, []subjects.Address{"code.h.first", me}, r.Chain, r.verb)
		}
		if r.verb == "state" {
			require.Empty(t, r.Msgs)
		} else {
			require.Equal(t, []string{"me: 1", "me: 2"}, texts(r.Msgs), r.verb)
		}
	}
}

func TestWhoWaitsCannotBeAsked(t *testing.T) {
	s := newStage(t)
	o := s.outsider("o", func(string, wire.Request) (msg.Msg, error) { return say("o", "yes"), nil })
	ctx := wire.WithChain(t.Context(), []subjects.Address{o.address, "code.h.me"})
	ref := s.client.As("code.h.me").Agent(o.address)
	_, err := ref.Reply(ctx)
	require.ErrorIs(t, err, agent.ErrCycle)
	require.ErrorIs(t, ref.Observe(ctx), agent.ErrCycle)
	_, err = ref.Interview(ctx)
	require.ErrorIs(t, err, agent.ErrCycle)
	_, err = s.client.As(o.address).Reply(t.Context(), o.address)
	require.ErrorIs(t, err, agent.ErrCycle, "itself")
	require.Empty(t, o.requests())
	_, err = ref.Call(ctx)
	require.NoError(t, err, "who calls does not wait")
	_, err = ref.State(ctx)
	require.NoError(t, err, "a state is read at any time")
}

func TestEveryWaitLeavesThePlace(t *testing.T) {
	s := newStage(t)
	o := s.outsider("o", func(string, wire.Request) (msg.Msg, error) { return say("o", "yes"), nil })
	var left, back int
	ctx := wire.WithPause(t.Context(), func() func() {
		left++
		return func() { back++ }
	})
	out, err := s.client.Reply(ctx, o.address)
	require.NoError(t, err)
	require.Equal(t, 1, left)
	_, err = s.client.Resolve(ctx, out)
	require.NoError(t, err)
	require.Equal(t, 1, left, "there is nothing to wait for")
	_, err = s.client.ResolveAll(ctx, out)
	require.NoError(t, err)
	promise, err := s.client.Call(ctx, o.address)
	require.NoError(t, err)
	require.Equal(t, 3, left)
	require.NoError(t, s.client.Cancel(ctx, promise))
	require.Equal(t, left, back)
}

func TestNobodyIsWaitedForAWhile(t *testing.T) {
	s := newStage(t)
	begun := time.Now()
	_, err := s.client.Reply(t.Context(), subjects.CodeAddress("nowhere", "a"))
	require.ErrorIs(t, err, agent.ErrNobody)
	require.Greater(t, time.Since(begun), time.Second)

	var group errgroup.Group
	group.Go(func() error {
		_, err := s.client.Create(t.Context(), "late", agent.Spec{Name: "a", Kind: "user"})
		return err
	})
	s.host("late", agent.NewRegistry())
	require.NoError(t, group.Wait())

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begun = time.Now()
	_, err = s.client.State(ctx, subjects.CodeAddress("nowhere", "a"))
	require.ErrorIs(t, err, agent.ErrNobody)
	require.Less(t, time.Since(begun), time.Second)
}

// Somebody who says that there is nobody has handled the request, which must not happen again.
func TestAnAnswerIsNotNobody(t *testing.T) {
	s := newStage(t)
	o := s.outsider("o", func(string, wire.Request) (msg.Msg, error) {
		return msg.Msg{}, fmt.Errorf("%w: myriad.run.r1.code.h.other.reply", wire.ErrNobody)
	})
	_, err := s.client.Reply(t.Context(), o.address)
	require.ErrorIs(t, err, agent.ErrNobody)
	require.Len(t, o.requests(), 1)
}

func TestCallOfAnAgentWithoutCalls(t *testing.T) {
	for _, refusal := range []error{agent.ErrBadRequest, wire.ErrNoFunction} {
		t.Run(refusal.Error(), func(t *testing.T) {
			s := newStage(t)
			release := make(chan struct{})
			var fail atomic.Bool
			o := s.outsider("o", func(verb string, r wire.Request) (msg.Msg, error) {
				if verb == subjects.VerbCall {
					return msg.Msg{}, fmt.Errorf("%w: unknown verb", refusal)
				}
				<-release
				if fail.Load() {
					return msg.Msg{}, errors.New("out of order")
				}
				return say("o", "re: "+r.Msgs[0].Content.String()), nil
			})
			ctx, cancel := context.WithTimeout(agent.WithRequestID(t.Context(), "id-2"), waitFor)
			promise, err := s.client.As("code.h.me").Call(ctx, o.address, say("me", "hello"))
			cancel()
			require.NoError(t, err)
			require.True(t, promise.Pending())
			require.Equal(t, "o", promise.Name)
			close(release)
			for _, c := range []*agent.Client{s.client, s.newClient()} { // anybody can ask for it
				out, err := c.Resolve(t.Context(), promise)
				require.NoError(t, err)
				require.Equal(t, "re: hello", out.Content.String())
			}
			last := o.requests()[1]
			require.Equal(t, subjects.VerbReply, last.verb)
			require.Equal(t, "id-2", last.ID)
			require.EqualValues(t, "code.h.me", last.Sender)
			require.Empty(t, last.Chain)
			require.True(t, last.Deadline.IsZero(), "who calls does not wait")

			fail.Store(true)
			promise, err = s.client.Call(t.Context(), o.address, say("me", "hello"))
			require.NoError(t, err)
			_, err = s.client.Resolve(t.Context(), promise)
			require.ErrorIs(t, err, agent.ErrFailed)
			require.ErrorContains(t, err, "out of order")
		})
	}
}

func TestOnlyARefusalOfTheVerbIsNoCall(t *testing.T) {
	s := newStage(t)
	answer := agent.ErrNoAgent
	o := s.outsider("o", func(string, wire.Request) (msg.Msg, error) { return msg.Msg{}, answer })
	_, err := s.client.Call(t.Context(), o.address)
	require.ErrorIs(t, err, agent.ErrNoAgent)
	require.Len(t, o.requests(), 1)

	bad := msg.Msg{Role: "boss"}
	_, err = s.client.Call(t.Context(), o.address, bad)
	require.ErrorIs(t, err, agent.ErrBadRequest)
	require.ErrorIs(t, err, msg.ErrInvalid)
	_, err = s.client.Call(t.Context(), "code.h")
	require.ErrorIs(t, err, agent.ErrBadRequest)
	require.Len(t, o.requests(), 1)
}

func TestAnOwnPromiseEndsWithItsClientOrHolder(t *testing.T) {
	s := newStage(t)
	asked := make(chan struct{}, 2)
	release := make(chan struct{})
	defer close(release)
	o := s.outsider("o", func(verb string, _ wire.Request) (msg.Msg, error) {
		if verb == subjects.VerbCall {
			return msg.Msg{}, agent.ErrBadRequest
		}
		asked <- struct{}{}
		<-release
		return msg.Msg{}, nil
	})
	promise, err := s.client.Call(t.Context(), o.address)
	require.NoError(t, err)
	<-asked
	require.NoError(t, s.client.Cancel(t.Context(), promise))
	_, err = s.client.Resolve(t.Context(), promise)
	require.ErrorIs(t, err, agent.ErrCancelled)

	other := s.outsider("p", func(string, wire.Request) (msg.Msg, error) { return msg.Msg{}, agent.ErrBadRequest })
	promise, err = s.client.Call(t.Context(), other.address)
	require.NoError(t, err)
	_, err = s.client.Resolve(t.Context(), promise)
	require.ErrorIs(t, err, agent.ErrBadRequest, "it does not know reply either")
	s.client.Close()
	_, err = s.newClient().Resolve(t.Context(), promise)
	require.ErrorIs(t, err, agent.ErrProducerLost)
	_, err = s.client.Call(t.Context(), other.address)
	require.ErrorIs(t, err, agent.ErrStopped)
}

// replier answers with what a function says.
type replier func(ctx context.Context, in []msg.Msg) (msg.Msg, error)

func (r replier) Reply(ctx context.Context, in ...msg.Msg) (msg.Msg, error) { return r(ctx, in) }
func (r replier) Observe(context.Context, ...msg.Msg) error                 { return nil }

func TestPromisesFromHosts(t *testing.T) {
	s := newStage(t)
	release := make(chan struct{})
	kinds := agent.NewRegistry()
	kinds.Add("slow", func(context.Context, *agent.Self, []byte) (agent.Agent, error) {
		return replier(func(ctx context.Context, in []msg.Msg) (msg.Msg, error) {
			select {
			case <-release:
			case <-ctx.Done():
				return msg.Msg{}, context.Cause(ctx)
			}
			if len(in) == 0 {
				return msg.Msg{}, errors.New("nothing was said")
			}
			return in[0], nil
		}), nil
	})
	kinds.Add("delegate", func(_ context.Context, self *agent.Self, _ []byte) (agent.Agent, error) {
		return replier(func(ctx context.Context, in []msg.Msg) (msg.Msg, error) {
			return self.Client.Call(ctx, subjects.CodeAddress("h", "a"), in...)
		}), nil
	})
	s.host("h", kinds)
	a, b := s.create("h", "a", "slow", ""), s.create("h", "b", "slow", "")
	d := s.create("h", "d", "delegate", "")
	one, err := s.client.Call(t.Context(), a, say("x", "1"))
	require.NoError(t, err)
	two, err := s.client.Call(t.Context(), b, say("x", "2"))
	require.NoError(t, err)
	bad, err := s.client.Call(t.Context(), b)
	require.NoError(t, err)
	close(release)
	list, err := s.client.ResolveAll(t.Context(), two, say("y", "here"), one)
	require.NoError(t, err)
	require.Equal(t, []string{"x: 2", "y: here", "x: 1"}, texts(list))
	_, err = s.client.ResolveAll(t.Context(), one, bad)
	require.ErrorIs(t, err, agent.ErrFailed)
	require.ErrorContains(t, err, "nothing was said")
	require.NoError(t, s.client.Cancel(t.Context(), list[0]), "there is nothing to cancel")

	out, err := s.client.Reply(t.Context(), d, say("x", "3"))
	require.NoError(t, err)
	require.Equal(t, "3", out.Content.String(), "a promised answer is waited for")
	out, err = s.client.Interview(t.Context(), d, say("x", "4"))
	require.NoError(t, err)
	require.Equal(t, "4", out.Content.String())
}

func TestHostsVerbs(t *testing.T) {
	s := newStage(t)
	s.host("h", agent.NewRegistry())
	ctx := t.Context()
	a, err := s.client.Create(ctx, "h", agent.Spec{Name: "a", Kind: "dialog", Config: map[string]any{"lines": []string{"yes"}}})
	require.NoError(t, err)
	require.Equal(t, subjects.CodeAddress("h", "a"), a)
	_, err = s.client.Create(ctx, "h", agent.Spec{Name: "a", Kind: "user"})
	require.ErrorIs(t, err, agent.ErrExists)
	_, err = s.client.Create(ctx, "h", agent.Spec{Name: "b", Kind: "robot"})
	require.ErrorIs(t, err, agent.ErrNoKind)
	require.ErrorContains(t, err, "dialog, user")
	_, err = s.client.Create(ctx, "h", agent.Spec{Name: "b", Kind: "user", Config: func() {}})
	require.ErrorIs(t, err, agent.ErrBadRequest)
	b, err := s.client.Clone(ctx, a, "b")
	require.NoError(t, err)
	out, err := s.client.Reply(ctx, b)
	require.NoError(t, err)
	require.Equal(t, "yes", out.Content.String())
	list, err := s.client.List(ctx, "h")
	require.NoError(t, err)
	require.Equal(t, []agent.Info{{Name: "a", Kind: "dialog", Address: a}, {Name: "b", Kind: "dialog", Address: b, Handled: 1}}, list)
	require.NoError(t, s.client.Delete(ctx, a))
	_, err = s.client.Reply(ctx, a)
	require.ErrorIs(t, err, agent.ErrNoAgent)
	require.ErrorIs(t, s.client.Delete(ctx, subjects.PopulationAddress(0, 1)), agent.ErrBadRequest)
	_, err = s.client.Clone(ctx, subjects.PopulationAddress(0, 1), "c")
	require.ErrorIs(t, err, agent.ErrBadRequest)
}
