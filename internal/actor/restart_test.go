package actor

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// A host that lost its connection without a word has its agents back under the same id: memory, state, outcomes by request id
// and results of calls.
func TestRestart(t *testing.T) {
	for name, putAway := range map[string]int{"log": 0, "checkpoints": 1} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			s.putAway = putAway
			s.restart(t)
		})
	}
}

func (s *stage) restart(t *testing.T) {
	reg := kinds().Add("gone", replies(echo))
	h := s.host("h1", reg)
	c := s.client()
	ctx := t.Context()
	a, err := c.Create(ctx, "h1", agent.Spec{Name: "a", Kind: "counter", Config: 10})
	require.NoError(t, err)
	b := s.create(c, "h1", "b", "echo")
	gone := s.create(c, "h1", "gone", "gone")
	deleted := s.create(c, "h1", "deleted", "echo")
	_, err = c.Reply(agent.WithRequestID(ctx, "first"), a, say("one"))
	require.NoError(t, err)
	_, err = c.Clone(ctx, a, "twin")
	require.NoError(t, err)
	promise, err := c.Call(ctx, a, say("two"))
	require.NoError(t, err)
	_, err = c.Resolve(ctx, promise)
	require.NoError(t, err)
	callID := agent.WithRequestID(ctx, "second")
	said, err := c.Call(callID, b, say("hello"))
	require.NoError(t, err)
	out, err := c.Resolve(ctx, said)
	require.NoError(t, err)
	require.NoError(t, c.Observe(agent.WithRequestID(ctx, "third"), b, say("seen")))
	require.NoError(t, c.Delete(ctx, deleted))
	s.saved(h)
	h.crash(t)

	h = s.made("h1", kinds()) // which knows one kind less
	quiet(h)
	require.NoError(t, h.Start(ctx))
	require.Equal(t, 4, h.Agents())
	for _, p := range []msg.Msg{promise, said} {
		_, err := c.Resolve(ctx, p)
		require.NoError(t, err)
	}
	again, err := c.Call(callID, b, say("something else"))
	require.NoError(t, err)
	require.Equal(t, said.Placeholder.ID, again.Placeholder.ID)
	require.Equal(t, said.Placeholder.Producer, again.Placeholder.Producer)
	again, err = c.Reply(callID, b, say("something else"))
	require.NoError(t, err)
	require.Equal(t, out, again)
	require.NoError(t, c.Observe(agent.WithRequestID(ctx, "third"), b, say("seen")))
	require.Equal(t, 3, h.runs["r1"].agent("b").self.Memory.Len(), "what was repeated was not done again")
	again, err = c.Reply(agent.WithRequestID(ctx, "first"), a, say("one"))
	require.NoError(t, err)
	require.Equal(t, 11, number(t, again))
	again, err = c.Reply(ctx, a, say("three"))
	require.NoError(t, err)
	require.Equal(t, 13, number(t, again))
	again, err = c.Reply(ctx, subjects.CodeAddress("h1", "twin"), say("three"))
	require.NoError(t, err)
	require.Equal(t, 12, number(t, again))
	_, err = c.Reply(ctx, gone, say("anybody?"))
	require.ErrorIs(t, err, agent.ErrNoKind)
	_, err = c.Reply(ctx, deleted, say("anybody?"))
	require.ErrorIs(t, err, agent.ErrNoAgent)
	unknown := msg.Promise("a", msg.Placeholder{Run: "r1", Producer: promise.Placeholder.Producer, ID: "never"})
	_, err = c.Resolve(ctx, unknown)
	require.ErrorIs(t, err, agent.ErrProducerLost)

	s.saved(h)
	h.crash(t) // and once more, over two lives
	h = s.host("h1", reg)
	again, err = c.Reply(ctx, gone, say("anybody?"))
	require.NoError(t, err)
	require.Equal(t, "anybody?", again.Content.String())
	require.Equal(t, 3, h.runs["r1"].agent("a").self.Memory.Len())
}

// What is asked while a host comes back waits for it.
func TestRequestsWaitForTheRestart(t *testing.T) {
	s := newStage(t)
	slow := make(chan struct{})
	made := make(chan struct{}, 2)
	reg := agent.NewRegistry().Add("slow", func(_ context.Context, self *agent.Self, _ []byte) (agent.Agent, error) {
		made <- struct{}{}
		<-slow
		return &script{self: self, reply: echo}, nil
	})
	h := s.host("h1", reg)
	c := s.client()
	created := make(chan error, 1)
	go func() {
		_, err := c.Create(context.Background(), "h1", agent.Spec{Name: "a", Kind: "slow"})
		created <- err
	}()
	<-made
	first, err := c.Call(t.Context(), "code.h1.a", say("early"))
	require.NoError(t, err, "a name is taken at once")
	slow <- struct{}{}
	require.NoError(t, <-created)
	_, err = c.Resolve(t.Context(), first)
	require.NoError(t, err)
	h.crash(t)
	h = s.made("h1", reg)
	var start sync.WaitGroup
	start.Go(func() { require.NoError(t, h.Start(t.Context())) })
	<-made
	answered := make(chan error, 1)
	go func() {
		_, err := c.Reply(context.Background(), "code.h1.a", say("late"))
		answered <- err
	}()
	require.Eventually(t, func() bool {
		n, _, err := h.subs[0].Pending()
		m, _, err2 := h.subs[1].Pending()
		return err == nil && err2 == nil && n+m > 0
	}, waitFor, pollEvery)
	require.Empty(t, answered)
	slow <- struct{}{}
	require.NoError(t, <-answered)
	start.Wait()
}

// Nobody hears of what is not in the log.
func TestLogBeforeReply(t *testing.T) {
	s := newStage(t)
	done := make(chan struct{}, 8)
	reg := agent.NewRegistry().Add("echo", replies(func(ctx context.Context, self *agent.Self, in ...msg.Msg) (msg.Msg, error) {
		defer func() { done <- struct{}{} }()
		return echo(ctx, self, in...)
	}))
	h := s.host("h1", reg)
	c := s.client()
	a := s.create(c, "h1", "a", "echo")
	write := h.append
	appends := make(chan struct{})
	h.append = func(subject string, record []byte, expect uint64) (uint64, error) {
		<-appends
		return write(subject, record, expect)
	}
	answered := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := c.Reply(context.Background(), a, say("hello"))
			answered <- err
		}()
	}
	<-done
	<-done // both are handled, and wait for one record
	require.Never(t, func() bool { return len(answered) > 0 }, 100*time.Millisecond, 10*time.Millisecond)
	require.Equal(t, 1, s.records("h1"))
	h.nc.Close()
	close(appends)
	h.end(t)

	h = s.host("h1", reg)
	require.Zero(t, h.runs["r1"].agent("a").self.Memory.Len())
	require.Empty(t, answered, "who asked was told nothing")
}

// What an agent says of something that is not in the log yet waits for the log too.
func TestLogBeforeReading(t *testing.T) {
	s := newStage(t)
	h := s.host("h1", agent.NewRegistry().Add("reads", replies(func(_ context.Context, self *agent.Self, _ ...msg.Msg) (msg.Msg, error) {
		return msg.Msg{Content: msg.Text(strconv.Itoa(self.Memory.Len()))}, nil
	})))
	c := s.client()
	a := s.create(c, "h1", "a", "reads")
	write := h.append
	appending, appends := make(chan struct{}), make(chan struct{})
	h.append = func(subject string, record []byte, expect uint64) (uint64, error) {
		appending <- struct{}{}
		<-appends
		return write(subject, record, expect)
	}
	observed, read := make(chan error, 1), make(chan error, 1)
	go func() { observed <- c.Observe(context.Background(), a, say("hello")) }()
	<-appending
	go func() {
		out, err := c.Reply(context.Background(), a)
		if out.Content.String() != "1" {
			err = errors.Join(err, errors.New("it has forgotten"))
		}
		read <- err
	}()
	j := h.runs["r1"].journal
	require.Eventually(t, func() bool {
		j.mu.Lock()
		defer j.mu.Unlock()
		return len(j.queue) == 1 && j.queue[0].entry == nil
	}, waitFor, pollEvery, "the answer is behind the record")
	require.Empty(t, read)
	close(appends)
	require.NoError(t, <-observed)
	require.NoError(t, <-read)
}

// A request with an id that a host gave up when it stopped has no outcome: the next life handles it.
func TestARequestThatWasGivenUp(t *testing.T) {
	s := newStage(t)
	began := make(chan struct{}, 1)
	first := true
	reg := agent.NewRegistry().Add("waits", replies(func(ctx context.Context, self *agent.Self, in ...msg.Msg) (msg.Msg, error) {
		if first {
			first = false
			began <- struct{}{}
			<-ctx.Done()
			return msg.Msg{}, errors.New("no time")
		}
		return echo(ctx, self, in...)
	}))
	h := s.host("h1", reg)
	c := s.client()
	a := s.create(c, "h1", "a", "waits")
	ctx := agent.WithRequestID(t.Context(), "x")
	promise, err := c.Call(ctx, a, say("hello"))
	require.NoError(t, err)
	<-began
	h.end(t)
	_, err = c.Resolve(t.Context(), promise)
	require.ErrorIs(t, err, agent.ErrProducerLost)
	s.host("h1", reg)
	out, err := c.Reply(ctx, a, say("hello"))
	require.NoError(t, err)
	require.Equal(t, "hello", out.Content.String())
}

// A broker that restarts between the handling and the record loses nothing: the host waits for it.
func TestBrokerRestart(t *testing.T) {
	s := newStage(t)
	down := make(chan struct{})
	reg := agent.NewRegistry().Add("echo", replies(func(ctx context.Context, self *agent.Self, in ...msg.Msg) (msg.Msg, error) {
		<-down
		return echo(ctx, self, in...)
	}))
	h := s.host("h1", reg)
	c := s.client()
	a := s.create(c, "h1", "a", "echo")
	p, err := c.Call(t.Context(), a, say("hello"))
	require.NoError(t, err)
	s.srv.Kill(t)
	close(down)
	s.srv.Restart(t)
	out, err := c.Resolve(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, "hello", out.Content.String())
	h.crash(t)
	h = s.host("h1", reg)
	require.Equal(t, 2, h.runs["r1"].agent("a").self.Memory.Len())
}

// Of two programs with the same host id one stops, and says what is wrong.
func TestFencing(t *testing.T) {
	s := newStage(t)
	first, second := s.host("h1", kinds()), s.made("h1", kinds())
	quiet(first)
	quiet(second)
	c := s.client()
	a := s.create(c, "h1", "a", "counter")
	require.NoError(t, second.Start(t.Context()))
	ctx, cancel := context.WithTimeout(t.Context(), waitFor)
	defer cancel()
	_, err := c.Reply(ctx, a, say("both hear this")) // one of them answers
	require.NoError(t, err)
	var failure error
	loser, winner := first, second
	select {
	case failure = <-first.Failed():
	case failure = <-second.Failed():
		loser, winner = second, first
	case <-ctx.Done():
		t.Fatal("both go on")
	}
	require.ErrorIs(t, failure, runlog.ErrConflict)
	require.ErrorContains(t, failure, `another program serves host "h1"`)
	out, err := c.Reply(ctx, a, say("only one answers"))
	require.NoError(t, err)
	require.Equal(t, 2, number(t, out))
	loser.end(t)
	out, err = c.Reply(ctx, a, say("still"))
	require.NoError(t, err)
	require.Equal(t, 3, number(t, out))
	require.Empty(t, winner.Failed())
	winner.crash(t)
	require.Equal(t, 3, s.host("h1", kinds()).runs["r1"].agent("a").self.Memory.Len())
}

// Of requests with the same id one is handled, however many come at once.
func TestRepeatedRequestsJoin(t *testing.T) {
	s := newStage(t)
	h := s.host("h1", kinds())
	c := s.client()
	a := s.create(c, "h1", "a", "counter")
	for round := range 5 {
		ctx := agent.WithRequestID(t.Context(), strconv.Itoa(round))
		var all sync.WaitGroup
		errs := make(chan error, 8)
		for i := range 8 {
			all.Go(func() {
				ask := c.Reply
				if i%2 == 0 {
					ask = c.Call
				}
				m, err := ask(ctx, a, say("x"))
				if err == nil {
					m, err = c.Resolve(ctx, m)
				}
				n := 0
				errs <- errors.Join(err, m.Content.Decode(&n))
				require.Equal(t, round+1, n)
			})
		}
		all.Wait()
		for range 8 {
			require.NoError(t, <-errs)
		}
	}
	require.Equal(t, 5, h.runs["r1"].agent("a").self.Memory.Len())
}

// Outcomes have bounds, and the newest stay.
func TestOutcomesAreBounded(t *testing.T) {
	o := newOutcomes(3, 10_000)
	one := func(id string, bytes int) {
		k := key{"r1", "a", id}
		isNew, _ := o.begin(k, func(result) {})
		require.True(t, isNew)
		o.end(k, result{data: make([]byte, bytes)})
	}
	for i := range 10 {
		one(strconv.Itoa(i), 1)
	}
	require.Len(t, o.by, 3)
	one("large", 9_800)
	require.Len(t, o.by, 1)
	isNew, _ := o.begin(key{"r1", "a", "large"}, func(r result) { require.Len(t, r.data, 9_800) })
	require.False(t, isNew)
	require.Len(t, o.order, 1)
}
