package agenthost

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// talk sends a message to an agent of shard 0 and returns what it says; an error it reports is an error.
func (s *stage) talk(h *Service, agent int, verb, said string, change func(*nats.Msg)) (msg.Msg, error) {
	s.Helper()
	s.knows(h, func(r *run) bool { return len(r.listeners) > 0 })
	var reply *nats.Msg
	var err error
	require.Eventually(s, func() bool { // the broker may not have heard of the subscription yet
		reply, err = s.say(agent, verb, said, change)
		return !errors.Is(err, nats.ErrNoResponders)
	}, waitFor, pollEvery)
	if err != nil {
		return msg.Msg{}, err
	}
	e, err := msg.EncodingOf(reply.Header.Get(subjects.HeaderContentType))
	require.NoError(s, err)
	out, err := e.Decode(reply.Data)
	require.NoError(s, err)
	if failure := reply.Header.Get(subjects.HeaderError); failure != "" {
		require.Equal(s, failure, out.Content.String())
		return out, errors.New(failure)
	}
	return out, nil
}

func (s *stage) say(agent int, verb, said string, change func(*nats.Msg)) (*nats.Msg, error) {
	m := nats.NewMsg(fmt.Sprintf("myriad.run.r1.agent.0.%d.%s", agent, verb))
	var err error
	if m.Data, err = msg.Msgpack.Encode(msg.New("visitor", msg.RoleUser, msg.Text(said))); err != nil {
		return nil, err
	}
	if change != nil {
		change(m)
	}
	ctx, cancel := context.WithTimeout(context.Background(), waitFor)
	defer cancel()
	return s.nc.RequestMsgWithContext(ctx, m)
}

func inJSON(m *nats.Msg) {
	m.Header.Set(subjects.HeaderContentType, subjects.ContentJSON)
	m.Data = []byte(`{"content":"hello"}`)
}

func withID(id string) func(*nats.Msg) {
	return func(m *nats.Msg) { m.Header.Set(subjects.HeaderRequestID, id) }
}

// echo answers questions with numbers, and what is said to an agent with what was said.
func echo(a asked) {
	a.all(func(i int) string {
		if a.Purpose == llm.PurposeInterview {
			said := a.Calls[i].Messages
			return "you said " + said[len(said)-1].Content
		}
		return text(a)(i)
	})
}

func (s *stage) messages() (n int) {
	s.Helper()
	err := runlog.Read(s.Context(), s.js, 0, []string{subjects.LogMessageAll("r1")}, func(runlog.Entry) error {
		n++
		return nil
	})
	require.NoError(s, err)
	return n
}

// The four verbs, in both encodings, and what each leaves behind.
func TestTalkingToAnAgent(t *testing.T) {
	s := newStage(t)
	h := s.host(quick())
	p := s.proxy(echo)
	s.create(guess(8, ""), 8, 8, h)
	_, err := s.talk(h, 3, "reply", "too early", nil)
	require.EqualError(t, err, errNoRound.Error())
	s.open()
	s.complete()
	s.idle(h)

	got, err := s.talk(h, 3, "reply", "how are you?", nil)
	require.NoError(t, err)
	require.Equal(t, "you said how are you?", got.Content.String())
	require.Equal(t, "agent-3", got.Name)
	require.Equal(t, msg.RoleAssistant, got.Role)
	require.Equal(t, "all", got.Metadata["block"])
	got, err = s.talk(h, 3, "reply", "", inJSON)
	require.NoError(t, err)
	require.Equal(t, "you said hello", got.Content.String())
	got, err = s.talk(h, 3, "observe", "it rains", nil)
	require.NoError(t, err)
	require.Empty(t, got.Content.String())
	require.Equal(t, 3, s.messages())

	got, err = s.talk(h, 3, "interview", "really?", nil)
	require.NoError(t, err)
	require.Equal(t, "you said really?", got.Content.String())
	talks := p.seen()
	conversation := dialogue(talks[len(talks)-1], 0)
	require.Contains(t, conversation, "user: Round 1, agent 3: which number?\nassistant: 34\n")
	require.Contains(t, conversation, "system: You play.\nuser: how are you?\nassistant: you said how are you?\nuser: hello\nassistant: you said hello\nuser: it rains\n")
	require.True(t, strings.HasSuffix(conversation, "user: really?\n"))
	got, err = s.talk(h, 3, "state", "", nil)
	require.NoError(t, err)
	require.Equal(t, "round 1, guess: 34\ntold: how are you?\n  said: you said how are you?\ntold: hello\n  said: you said hello\ntold: it rains", got.Content.String())
	require.Equal(t, 3, s.messages(), "state and interview leave no trace")

	// What it was told is in its next prompt, and in no other's.
	s.close(nil)
	s.open()
	s.complete()
	require.Contains(t, p.promptsOf(2, 3)[0], "user: it rains\nuser: Round 2")
	require.NotContains(t, p.promptsOf(2, 3)[0], "really?")
	require.NotContains(t, p.promptsOf(2, 4)[0], "it rains")
	s.idle(h)
}

// A repeated request changes nothing and is answered with what was answered. Ids of two agents have nothing to do with
// each other.
func TestRepeatedRequests(t *testing.T) {
	s := newStage(t)
	h := s.host(quick())
	p := s.proxy(echo)
	s.create(guess(2, ""), 2, 2, h)
	s.open()
	s.complete()
	first, err := s.talk(h, 0, "reply", "one", withID("x"))
	require.NoError(t, err)
	calls := p.calls.Load()
	again, err := s.talk(h, 0, "reply", "another text", withID("x"))
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.Equal(t, calls, p.calls.Load())
	other, err := s.talk(h, 1, "reply", "two", withID("x"))
	require.NoError(t, err)
	require.Equal(t, "you said two", other.Content.String())
	require.Equal(t, 2, s.messages())

	// Also by the next owner.
	next := s.host(quick())
	s.lease(next, 0, 1)
	s.knows(next, func(r *run) bool { return len(r.listeners) > 0 })
	s.knows(h, func(r *run) bool { return len(r.listeners) == 0 })
	again, err = s.talk(next, 0, "reply", "one", withID("x"))
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.Equal(t, 2, s.messages())
}

func TestMessagesThatAreRefused(t *testing.T) {
	s := newStage(t)
	h := s.host(quick())
	s.proxy(echo)
	s.create(guess(2, ""), 2, 2, h)
	s.open()
	s.complete()
	for says, c := range map[string]struct {
		agent  int
		verb   string
		said   string
		change func(*nats.Msg)
	}{
		"no such agent": {2, "reply", "hello", nil},
		"subject":       {0, "delete", "hello", nil},
		"longer than":   {0, "observe", strings.Repeat("x", maxContent+1), nil},
		"malformed":     {0, "reply", "", func(m *nats.Msg) { m.Data = []byte("hello") }},
		"text/plain":    {0, "reply", "", func(m *nats.Msg) { m.Header.Set(subjects.HeaderContentType, "text/plain") }},
	} {
		_, err := s.talk(h, c.agent, c.verb, c.said, c.change)
		require.ErrorContains(t, err, says)
	}
	require.Zero(t, s.messages())
	_, err := s.talk(h, 0, "observe", strings.Repeat("x", maxContent), nil)
	require.NoError(t, err)
}

// A visitor's model that cannot be had, fails, or gives nothing is the visitor's error, and the agent is free again.
func TestInterviewsThatFail(t *testing.T) {
	s := newStage(t)
	cfg := quick()
	h := s.host(cfg)
	replies := make(chan func(a asked), 1)
	s.proxy(func(a asked) {
		if a.Purpose == llm.PurposeInterview {
			(<-replies)(a)
			return
		}
		numbers(a)
	})
	s.create(guess(1, ""), 1, 1, h)
	s.open()
	s.complete()
	for says, reply := range map[string]func(a asked){
		errProxyLost.Error():  func(asked) {},
		errProxyShort.Error(): func(a asked) { a.send(&llm.Result{ID: a.ID, Done: true}) },
		"no key": func(a asked) {
			a.send(&llm.Result{ID: a.ID, Done: true, Index: []uint32{0}, Text: []string{""}, Error: []string{"no key"}, TokensIn: []uint32{0}, TokensOut: []uint32{0}, Retries: []uint8{0}})
		},
		"bad model": func(a asked) { a.send(&llm.Result{ID: a.ID, Done: true, Refused: "bad model"}) },
	} {
		replies <- reply
		_, err := s.talk(h, 0, "reply", "hello", nil)
		require.ErrorContains(t, err, says)
	}
	require.Zero(t, s.messages())
	replies <- func(a asked) { a.all(func(int) string { return "caf\xe9 " + strings.Repeat("y", 100_000) }) }
	got, err := s.talk(h, 0, "interview", "hello", nil)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(got.Content.String(), "caf\uFFFD y"))
	require.Less(t, len(got.Content.String()), 70_000)
}

// A call that came to nothing may be sent again with its request id, as a reply may.
func TestACallThatFailed(t *testing.T) {
	s := newStage(t)
	h := s.host(quick())
	fails := true
	s.proxy(func(a asked) {
		if a.Purpose == llm.PurposeInterview && fails {
			fails = false
			a.send(&llm.Result{ID: a.ID, Done: true, Refused: "bad model"})
			return
		}
		echo(a)
	})
	s.create(guess(1, ""), 1, 1, h)
	s.open()
	s.complete()
	call := func() ([]msg.Msg, error) {
		promised, err := s.talk(h, 0, "call", "hello", withID("x"))
		require.NoError(t, err)
		require.True(t, promised.Pending())
		return h.code.Resolve(t.Context(), promised)
	}
	_, err := call()
	require.ErrorContains(t, err, "bad model")
	for range 2 {
		out, err := call()
		require.NoError(t, err)
		require.Equal(t, "you said hello", out[0].Content.String())
	}
	require.Equal(t, 1, s.messages())
}

// A call that is cancelled ends, whatever it waits for, and the agent is free for the next.
func TestACallThatIsCancelled(t *testing.T) {
	s := newStage(t)
	h := s.host(quick())
	asks := make(chan asked, 1)
	s.proxy(func(a asked) {
		if a.Purpose != llm.PurposeInterview {
			numbers(a)
			return
		}
		asks <- a
	})
	s.create(guess(1, ""), 1, 1, h)
	s.open()
	s.complete()
	promised, err := s.talk(h, 0, "call", "hello", nil)
	require.NoError(t, err)
	<-asks
	m := nats.NewMsg(subjects.Task("r1", promised.Placeholder.Producer, promised.Placeholder.ID))
	m.Header.Set(subjects.HeaderCancel, "1")
	_, err = s.nc.RequestMsg(m, waitFor)
	require.NoError(t, err)
	_, err = s.talk(h, 0, "observe", "hello?", nil)
	require.NoError(t, err)
	require.Equal(t, 1, s.messages(), "of the call nothing stays")
}

// An agent does one thing at a time: messages wait for its turn, and a turn for the message under way but not for those
// behind it. Messages are handled in the order they came.
func TestOneThingAtATime(t *testing.T) {
	s := newStage(t)
	h := s.host(patient())
	hold := make(chan asked, 8)
	s.proxy(func(a asked) { hold <- a })
	s.create(guess(1, ""), 1, 1, h)
	s.open()
	turn := <-hold
	s.knows(h, func(r *run) bool { return len(r.listeners) > 0 })
	waiting := func(n int) {
		t.Helper()
		s.knows(h, func(r *run) bool {
			sh := r.shards[0]
			sh.mu.Lock()
			defer sh.mu.Unlock()
			m := sh.busy[0]
			return m == nil && n == 0 || m != nil && len(m.queue) == n
		})
	}
	answers := make(chan string, 16)
	visit := func(said string) {
		go func() {
			reply, err := s.say(0, "reply", said, nil)
			if err != nil {
				answers <- err.Error()
				return
			}
			out, err := msg.Msgpack.Decode(reply.Data)
			if err != nil {
				answers <- err.Error()
				return
			}
			answers <- out.Content.String()
		}()
	}
	for i := range 4 {
		visit(fmt.Sprint("visit ", i))
		waiting(i + 1)
	}
	require.Empty(t, hold, "the agent is in its turn")
	numbers(turn)
	s.complete()
	visits := 0
	next := func() asked {
		t.Helper()
		a := <-hold
		require.Equal(t, llm.PurposeInterview, a.Purpose)
		require.True(t, strings.HasSuffix(dialogue(a.Request, 0), fmt.Sprintf("user: visit %d\n", visits)))
		visits++
		return a
	}
	a := next()
	waiting(3)
	require.Empty(t, hold, "one at a time")
	echo(a)
	require.Equal(t, "you said visit 0", <-answers)
	a = next()
	s.close(nil)
	s.open() // while somebody is with the agent: the turn is next
	s.knows(h, func(r *run) bool {
		sh := r.shards[0]
		sh.mu.Lock()
		defer sh.mu.Unlock()
		return sh.busy[0] != nil && sh.busy[0].turnWaits
	})
	echo(a)
	turn = <-hold
	require.Equal(t, llm.PurposeAnswer, turn.Purpose)
	require.Contains(t, dialogue(turn.Request, 0), "assistant: you said visit 1\nuser: Round 2")
	numbers(turn)
	s.complete()
	a = next()
	s.close(nil)
	s.open()
	s.knows(h, func(r *run) bool {
		sh := r.shards[0]
		sh.mu.Lock()
		defer sh.mu.Unlock()
		return sh.busy[0] != nil && sh.busy[0].turnWaits
	})
	s.pause() // now no turn will begin, and nobody may wait for one
	s.knows(h, func(r *run) bool { return r.paused })
	echo(a)
	echo(next())
	s.resume()
	turn = <-hold
	require.Equal(t, llm.PurposeAnswer, turn.Purpose)
	numbers(turn)
	s.complete()
	waiting(0)
	s.idle(h)
}

// Who waits for an agent that moves to another host, or whose host stops, is told at once.
func TestVisitorsOfAnAgentThatMoves(t *testing.T) {
	s := newStage(t)
	first, second := s.host(patient()), s.host(patient())
	hold := make(chan asked, 8)
	s.proxy(func(a asked) { hold <- a })
	s.create(guess(1, ""), 1, 1, first)
	s.open()
	<-hold
	s.knows(first, func(r *run) bool { return len(r.listeners) > 0 })
	failed := make(chan error, 1)
	go func() {
		reply, err := s.say(0, "reply", "hello", nil)
		if err == nil {
			err = errors.New(reply.Header.Get(subjects.HeaderError))
		}
		failed <- err
	}()
	s.knows(first, func(r *run) bool {
		sh := r.shards[0]
		sh.mu.Lock()
		defer sh.mu.Unlock()
		return len(sh.busy) == 1
	})
	s.lease(second, 0, 1)
	select {
	case err := <-failed:
		require.ErrorContains(t, err, errMoved.Error())
	case <-time.After(waitFor):
		t.Fatal("still waiting")
	}
}

// Notes and outcomes have bounds, and the newest stay.
func TestNotesAreBounded(t *testing.T) {
	var told told
	for i := range 3 * maxOutcomes {
		told.keep(i%2, note{said: fmt.Sprint(i)}, fmt.Sprint(i), []byte("answer"))
	}
	require.Len(t, told.notes[0], maxNotes)
	require.Equal(t, fmt.Sprint(3*maxOutcomes-1), told.notes[1][maxNotes-1].said)
	require.Len(t, told.outcomes, maxOutcomes)
	require.Equal(t, maxOutcomes*len("answer"), told.bytes)
	require.Nil(t, told.outcome(0, "0"))
	require.NotNil(t, told.outcome(1, fmt.Sprint(3*maxOutcomes-1)))
	long := strings.Repeat("x", maxContent)
	for i := range 100 {
		told.keep(7, note{said: long}, fmt.Sprint("long ", i), make([]byte, 1<<20))
	}
	require.Len(t, told.notes[7], maxNoteBytes/maxContent)
	require.LessOrEqual(t, told.bytes, maxOutcomeBytes)
}

// A message whose record was written twice, because the first acknowledgement was lost, is remembered once.
func TestARecordThatIsThereTwice(t *testing.T) {
	var told told
	for range 2 {
		told.keep(0, note{said: "hello"}, "x", []byte("answer"))
		told.keep(0, note{said: "hello again"}, "", []byte("answer"))
	}
	require.Equal(t, []note{{said: "hello"}, {said: "hello again"}, {said: "hello again"}}, told.notes[0])
}
