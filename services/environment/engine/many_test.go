package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/pkg/environment"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
	"github.com/myriad-sim/myriad/services/environment/engine"
)

// step is one call of the test below: when it was made and answered, on one clock, and what came.
type step struct {
	add        bool
	key        string
	begun, end int64
	got        int64
}

// linear checks that the steps on one number could have been done one after the other, each at some time between its call
// and its answer: each sum came once, none are missing, no call saw less than what was answered before it was made or more
// than was asked for before it was answered.
func linear(t *rapid.T, all []step) {
	var adds []step
	for _, s := range all {
		if s.add {
			adds = append(adds, s)
		}
	}
	slices.SortFunc(adds, func(a, b step) int { return int(a.got - b.got) })
	for i, s := range adds {
		require.EqualValues(t, i+1, s.got, "each sum once")
	}
	for _, s := range all {
		least, most := int64(0), int64(0)
		for _, a := range adds {
			if a.end < s.begun {
				least = max(least, a.got)
			}
			if a.begun < s.end {
				most++
			}
		}
		require.GreaterOrEqual(t, s.got, least, "it sees what was answered before it was made")
		require.LessOrEqual(t, s.got, most)
		for _, r := range all { // reads do not go back either
			if r.end < s.begun {
				require.GreaterOrEqual(t, s.got, r.got)
			}
		}
	}
}

// Two engines that serve the same trees are like one that does one call after the other.
func TestTwoEnginesAreLinearizable(t *testing.T) {
	srv := natstest.Start(t)
	for _, id := range []string{"a", "b"} {
		serve(t, srv, engine.Config{ID: id}, engine.NeverFollow)
	}
	client := srv.Connect(t)
	var clock, runs atomic.Int64
	begun := time.Now()
	rapid.Check(t, func(rt *rapid.T) {
		if time.Since(begun) > 1500*time.Millisecond {
			return // as many as there is time for
		}
		w := environment.NewClient(client, fmt.Sprint("run", runs.Add(1))).Env("w")
		require.NoError(rt, w.Create(t.Context(), "state", nil))
		callers := rapid.IntRange(2, 6).Draw(rt, "callers")
		plans := make([][]step, callers)
		for i := range plans {
			for range rapid.IntRange(1, 8).Draw(rt, "calls") {
				plans[i] = append(plans[i], step{add: rapid.Bool().Draw(rt, "add"), key: rapid.SampledFrom([]string{"x", "y"}).Draw(rt, "key")})
			}
		}
		var wg sync.WaitGroup
		errs := make(chan error, callers)
		for i := range plans {
			wg.Go(func() {
				for n := range plans[i] {
					s := &plans[i][n]
					var err error
					s.begun = clock.Add(1)
					if s.add {
						s.got, err = w.Incr(t.Context(), s.key, 1)
					} else {
						_, err = w.Get(t.Context(), s.key, &s.got)
					}
					s.end = clock.Add(1)
					if err != nil {
						errs <- err
						return
					}
				}
			})
		}
		wg.Wait()
		close(errs)
		for err := range errs {
			require.NoError(rt, err)
		}
		for _, key := range []string{"x", "y"} {
			linear(rt, slices.DeleteFunc(slices.Concat(plans...), func(s step) bool { return s.key != key }))
		}
	})
}

// An engine that dies, and a broker that restarts, lose no call that was answered and do none twice.
func TestNothingIsLostOrDoneTwice(t *testing.T) {
	t.Parallel() // it mostly waits
	const callers, each = 16, 40
	srv := natstest.Start(t)
	_, dying := serve(t, srv, engine.Config{ID: "a"})
	serve(t, srv, engine.Config{ID: "b"})
	w := world(t, srv, "r", "state", nil)
	client := environment.NewClient(srv.Connect(t), "r")
	var wg sync.WaitGroup
	var done atomic.Int64
	for i := range callers {
		wg.Go(func() {
			for n := range each {
				if _, err := client.Env("w").Once(fmt.Sprintf("%d-%d", i, n)).Append(t.Context(), "list", fmt.Sprintf("%d-%d", i, n)); err != nil {
					t.Error(err)
					return
				}
				done.Add(1)
			}
		})
	}
	require.Eventually(t, func() bool { return done.Load() > callers*each/4 }, 20*time.Second, time.Millisecond)
	dying.Close()
	require.Eventually(t, func() bool { return done.Load() > callers*each/2 }, 20*time.Second, time.Millisecond)
	srv.Restart(t)
	wg.Wait()
	var list []string
	_, err := w.Get(t.Context(), "list", &list)
	require.NoError(t, err)
	require.Len(t, list, callers*each)
	slices.Sort(list)
	require.Len(t, slices.Compact(list), callers*each, "each once")
}

// inbox is an agent that anybody could write: it keeps what it observes, once for each request id.
type inbox struct {
	mu    sync.Mutex
	ids   map[string]int
	texts []string
}

func (b *inbox) got() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.texts)
}

// listen subscribes on a subject. Requests that fail says are answered with an error code and not taken.
func listen(t testing.TB, nc *nats.Conn, subject string, fail func(n int) string) *inbox {
	t.Helper()
	b := &inbox{ids: map[string]int{}}
	n := 0
	sub, err := nc.Subscribe(subject, func(m *nats.Msg) {
		b.mu.Lock()
		defer b.mu.Unlock()
		reply := nats.NewMsg(m.Reply)
		n++
		if code := fail(n); code != "" {
			reply.Header.Set(subjects.HeaderError, code)
			reply.Header.Set(subjects.HeaderErrorCode, code)
		} else if id := m.Header.Get(subjects.HeaderRequestID); b.ids[id] == 0 {
			in, err := msg.Msgpack.Decode(m.Data)
			if err != nil {
				t.Error(err)
			}
			b.ids[id]++
			b.texts = append(b.texts, in.Content.String())
		}
		if err := nc.PublishMsg(reply); err != nil {
			t.Error(err)
		}
	})
	require.NoError(t, err)
	require.NoError(t, nc.Flush())
	t.Cleanup(func() { _ = sub.Unsubscribe() })
	return b
}

func never(int) string { return "" }

// A listener fires once for each crossing of its condition, with many callers and two engines, and each message arrives once
// and in order, though the receiver refuses some tries.
func TestAListenerFiresOncePerCrossing(t *testing.T) {
	srv := natstest.Start(t)
	serve(t, srv, engine.Config{ID: "a"})
	serve(t, srv, engine.Config{ID: "b"})
	w := world(t, srv, "r", "state", nil)
	agent := listen(t, srv.Connect(t), subjects.At("r", subjects.CodeAddress("h", "ann"), subjects.VerbObserve), func(n int) string {
		if n%5 == 2 {
			return "crowded"
		}
		return ""
	})
	hub := listen(t, srv.Connect(t), subjects.HubCall("r", "news", "announce"), never)
	tens := environment.Listener{Name: "tens", When: "state.n % 10 == 0", Tell: []subjects.Address{subjects.CodeAddress("h", "ann")}, Say: "{{state.n}}"}
	require.NoError(t, w.Listen(t.Context(), tens))
	require.NoError(t, w.Listen(t.Context(), environment.Listener{Name: "100", When: "state.n > 100", Hub: "news", Say: "over"}))
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			for range 30 {
				if _, err := w.Incr(t.Context(), "n", 1); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	var want []string
	for i := 10; i <= 300; i += 10 {
		want = append(want, fmt.Sprint(i))
	}
	require.Eventually(t, func() bool { return len(agent.got()) >= 30 && len(hub.got()) > 0 }, 20*time.Second, 5*time.Millisecond)
	require.ElementsMatch(t, want, agent.got())
	require.Equal(t, []string{"over"}, hub.got())
}

// The messages of one engine to one agent arrive in the order of the calls.
func TestMessagesArriveInOrder(t *testing.T) {
	srv := natstest.Start(t)
	serve(t, srv, engine.Config{})
	w := world(t, srv, "r", "state", nil)
	agent := listen(t, srv.Connect(t), subjects.At("r", subjects.CodeAddress("h", "ann"), subjects.VerbObserve), func(n int) string {
		if n%3 == 1 {
			return "unavailable"
		}
		return ""
	})
	require.NoError(t, w.Listen(t.Context(), environment.Listener{Name: "n", On: "n", Tell: []subjects.Address{subjects.CodeAddress("h", "ann")}, Say: "{{state.n}}"}))
	var want []string
	for i := range 20 {
		require.NoError(t, w.Set(t.Context(), "n", i))
		want = append(want, fmt.Sprint(i))
	}
	require.Eventually(t, func() bool { return len(agent.got()) == 20 }, 20*time.Second, 5*time.Millisecond)
	require.Equal(t, want, agent.got())
}

// What an engine could not deliver before it died another one does, whether it runs already or starts later.
func TestMessagesOfADeadEngineAreDelivered(t *testing.T) {
	srv := natstest.Start(t)
	_, dying := serve(t, srv, engine.Config{ID: "a"})
	client := environment.NewClient(srv.Connect(t), "r").As(subjects.CodeAddress("h", "bob"))
	room := client.Env("room")
	require.NoError(t, room.Create(t.Context(), "chatroom", nil))
	_, err := client.As(subjects.CodeAddress("h", "ann")).Env("room").Call(t.Context(), "join", nil)
	require.NoError(t, err)
	_, err = room.Call(t.Context(), "join", nil)
	require.NoError(t, err)
	_, err = room.Call(t.Context(), "speak", "dear @ann")
	require.NoError(t, err)
	dying.Close()

	serve(t, srv, engine.Config{ID: "b", Sweep: 50 * time.Millisecond})
	ann := listen(t, srv.Connect(t), subjects.At("r", subjects.CodeAddress("h", "ann"), subjects.VerbObserve), never)
	require.Eventually(t, func() bool { return slices.Equal(ann.got(), []string{"dear @ann"}) }, 20*time.Second, 5*time.Millisecond)

	// The engine that runs notices that another one has died.
	_, dying = serve(t, srv, engine.Config{ID: "c"})
	bob := listen(t, srv.Connect(t), subjects.At("r2", subjects.CodeAddress("h", "bob"), subjects.VerbObserve), func(n int) string {
		if n < 3 {
			return "stopped"
		}
		return ""
	})
	w := environment.NewClient(srv.Connect(t), "r2").Env("w")
	require.NoError(t, w.Create(t.Context(), "state", map[string]any{
		"state":     map[string]any{"n": 0},
		"listeners": []any{map[string]any{"name": "l", "on": "n", "tell": []any{"code.h.bob"}, "say": "{{state.n}}"}},
	}))
	for i := range 3 {
		require.NoError(t, w.Once(fmt.Sprint(i)).Set(t.Context(), "n", i))
	}
	dying.Close()
	require.Eventually(t, func() bool { return len(bob.got()) == 3 }, 20*time.Second, 5*time.Millisecond)
	require.ElementsMatch(t, []string{"0", "1", "2"}, bob.got())

	// Once delivered they are marked, so that a third engine sends nothing.
	s, err := srv.JetStream(t).Stream(t.Context(), subjects.StreamLog)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		m, err := s.GetLastMsgForSubject(t.Context(), subjects.LogEnv("r2", "w"))
		return err == nil && waiting(t, m.Data) == 0
	}, 20*time.Second, 10*time.Millisecond)
}

// A receiver that says that it is not there ends the tries.
func TestMessagesToNobodyEnd(t *testing.T) {
	srv := natstest.Start(t)
	serve(t, srv, engine.Config{})
	w := world(t, srv, "r", "state", nil)
	listen(t, srv.Connect(t), subjects.At("r", subjects.CodeAddress("h", "gone"), subjects.VerbObserve), func(int) string { return "no-agent" })
	require.NoError(t, w.Listen(t.Context(), environment.Listener{Name: "l", On: "n", Tell: []subjects.Address{"code.h.gone"}}))
	require.NoError(t, w.Set(t.Context(), "n", 1))
	s, err := srv.JetStream(t).Stream(t.Context(), subjects.StreamLog)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		m, err := s.GetLastMsgForSubject(t.Context(), subjects.LogEnv("r", "w"))
		return err == nil && waiting(t, m.Data) == 0
	}, 20*time.Second, 10*time.Millisecond)
}

// A call that another engine makes is seen by the next one, and calls that wait through an outage are done after it.
func TestBrokerOutage(t *testing.T) {
	srv := natstest.Start(t)
	serve(t, srv, engine.Config{})
	w := world(t, srv, "r", "state", nil)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for i := range 3 {
		n, err := w.Once(fmt.Sprint("a", i)).Incr(ctx, "n", 1)
		require.NoError(t, err)
		require.EqualValues(t, i+1, n)
		srv.Kill(t)
		srv.Restart(t)
	}
	data, err := json.Marshal(map[string]int{"n": 3})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		out, err := w.Export(ctx)
		if err != nil {
			return false
		}
		got, err := json.Marshal(out.State)
		return err == nil && strings.EqualFold(string(got), string(data))
	}, 20*time.Second, 10*time.Millisecond)
}
