package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/promise"
	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/environment"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
	"github.com/myriad-sim/myriad/services/environment/engine"
)

type m = map[string]any

// Anybody with a NATS client can call every function, in JSON.
func TestEveryFunctionInJSON(t *testing.T) {
	srv := natstest.Start(t)
	serve(t, srv, engine.Config{})
	nc := srv.Connect(t)
	ask := func(env, function, payload string) string {
		q := nats.NewMsg("myriad.run.r1.env." + env + ".call." + function)
		q.Header.Set("Content-Type", "application/json")
		q.Header.Set("Myriad-Sender", "code.h.ann")
		q.Data = []byte(payload)
		reply, err := nc.RequestMsg(q, 5*time.Second)
		require.NoError(t, err)
		require.Equal(t, "application/json", reply.Header.Get("Content-Type"))
		var out struct {
			Content json.RawMessage `json:"content"`
		}
		require.NoError(t, json.Unmarshal(reply.Data, &out), string(reply.Data))
		if code := reply.Header.Get("Myriad-Error-Code"); code != "" {
			return code + ": " + string(out.Content)
		}
		return string(out.Content)
	}
	for _, c := range [][4]string{
		{"w", "create", `{"content":{"kind":"state","config":{"functions":{"twice":{"args":["x"],"returns":"2 * args.x"}}}}}`, ""},
		{"w", "set", `{"content":{"key":"a","value":{"b":[1,2.5,"c"]}}}`, ""},
		{"w", "get", `{"content":"a"}`, `{"b":[1,2.5,"c"]}`},
		{"w", "compare_and_set", `{"content":{"key":"n","value":4}}`, `{"done":true,"value":4}`},
		{"w", "incr", `{"content":"n"}`, "5"},
		{"w", "append", `{"content":{"key":"l","value":true}}`, "1"},
		{"w", "delete", `{"content":"l"}`, "true"},
		{"w", "keys", "", `["a","n"]`},
		{"w", "query", `{"content":"state.n * 2"}`, "10"},
		{"w", "twice", `{"content":{"x":21}}`, "42"},
		{"w", "listen", `{"content":{"name":"l","when":"state.n > 5","hub":"h","say":"{{state.n}}"}}`, `{"true":false}`},
		{"w", "unlisten", `{"content":"l"}`, ""},
		{"w=2Froom", "create", `{"content":{"kind":"chatroom"}}`, ""},
		{"w=2Froom", "join", "", `{"name":"ann","since":0}`},
		{"w=2Froom", "speak", `{"content":{"text":"hi"}}`, "1"},
		{"w=2Froom", "leave", "", ""},
		{"w=2Fmap", "create", `{"content":{"kind":"map2d"}}`, ""},
		{"w=2Fmap", "place", `{"content":{"x":1,"y":2}}`, `{"x":1,"y":2}`},
		{"w=2Ftime", "create", `{"content":{"kind":"timeline"}}`, ""},
		{"w=2Ftime", "advance", `{"content":{"by":2}}`, `{"events":[],"now":2}`},
		{"w", "export", "", ""}, {"w", "describe", "", ""},
		{"w=2Ftime", "remove", "", ""},
	} {
		got := ask(c[0], c[1], c[2])
		if c[3] != "" {
			require.JSONEq(t, c[3], got, c[1])
		}
		require.NotRegexp(t, `^[a-z-]+: `, got, c[1])
	}
	for _, c := range [][4]string{
		{"w", "nix", "", "no-function: "}, {"v", "get", `{"content":"a"}`, "no-environment: "}, {"w", "get", `{"content":{}}`, "bad-request: "},
		{"w", "get", `{`, "bad-request: "}, {"w", "get", `[{"content":"a"},{"content":"b"}]`, "bad-request: "},
		{"w=2Fx", "create", `{"content":{"kind":"nix"}}`, "no-kind: "}, {"w", "twice", `{"content":"a"}`, "failed: "},
		{"w", "create", `{"content":{"kind":"map2d"}}`, "exists: "}, {"=", "get", `{"content":"a"}`, "bad-request: "},
	} {
		require.Contains(t, ask(c[0], c[1], c[2]), c[3])
	}
}

func TestTheClient(t *testing.T) {
	srv := natstest.Start(t)
	serve(t, srv, engine.Config{})
	w := world(t, srv, "r", "state", nil)
	ctx := t.Context()
	require.NoError(t, w.Set(ctx, "big", int64(9007199254740993)))
	var v any
	ok, err := w.Get(ctx, "big", &v)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, int64(9007199254740993), v)
	ok, err = w.Get(ctx, "none", &v)
	require.NoError(t, err)
	require.False(t, ok)
	done, err := w.CompareAndSet(ctx, "big", int64(9007199254740992), 1)
	require.NoError(t, err)
	require.False(t, done, "numbers are exact")
	n, err := w.Append(ctx, "list", m{"a": 1})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	keys, err := w.Keys(ctx, "l")
	require.NoError(t, err)
	require.Equal(t, []string{"list"}, keys)
	var q float64
	require.NoError(t, w.Query(ctx, "state.list[0].a / 2", &q))
	require.Equal(t, 0.5, q)
	require.NoError(t, w.Listen(ctx, environment.Listener{Name: "l", When: "state.x == 1", Hub: "h"}))
	d, err := w.Describe(ctx)
	require.NoError(t, err)
	require.Equal(t, []environment.Listener{{Name: "l", When: "state.x == 1", Hub: "h"}}, d.Listeners)
	require.Equal(t, []string{"key", "by?"}, d.Functions["incr"].Args)
	require.NoError(t, w.Unlisten(ctx, "l"))
	gone, err := w.Delete(ctx, "list")
	require.NoError(t, err)
	require.True(t, gone)
	out, err := w.Export(ctx)
	require.NoError(t, err)
	require.Equal(t, environment.State{"big": int64(9007199254740993)}, out.State)
	require.NoError(t, w.Remove(ctx))
	_, err = w.Incr(ctx, "n", 1)
	require.ErrorIs(t, err, environment.ErrNoEnvironment)
	ctx, cancel := context.WithDeadline(ctx, time.Now().Add(-time.Second))
	defer cancel()
	_, err = w.Incr(ctx, "n", 1)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// Many callers, one number: no increment is lost and none is done twice, whether the environment adds or the callers do.
func TestIncrementsOfManyCallersAreExact(t *testing.T) {
	const callers, each = 64, 8
	srv := natstest.Start(t)
	serve(t, srv, engine.Config{})
	world(t, srv, "r", "state", nil)
	client := environment.NewClient(srv.Connect(t), "r")
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			w := client.Env("w")
			key := fmt.Sprint("cas", i%8)
			for range each {
				if _, err := w.Incr(t.Context(), "n", 1); err != nil {
					t.Error(err)
					return
				}
				if err := compareAndAdd(t.Context(), w, key); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	out, err := client.Env("w").Export(t.Context())
	require.NoError(t, err)
	require.Equal(t, int64(callers*each), out.State["n"])
	for i := range 8 {
		require.Equal(t, int64(callers*each/8), out.State[fmt.Sprint("cas", i)])
	}
}

// compareAndAdd adds one to a key with compare_and_set, as often as it takes.
func compareAndAdd(ctx context.Context, w *environment.Env, key string) error {
	var have *int64
	for {
		next := int64(1)
		if have != nil {
			next += *have
		}
		content, err := w.Call(ctx, "compare_and_set", m{"key": key, "expect": have, "value": next})
		if err != nil {
			return err
		}
		var out struct {
			Done  bool
			Value *int64
		}
		if err := content.Decode(&out); err != nil || out.Done {
			return err
		}
		have = out.Value
	}
}

// What waits for a tree is bounded, and what one call changes.
func TestBounds(t *testing.T) {
	srv := natstest.Start(t)
	serve(t, srv, engine.Config{MaxWaiting: 4})
	w := world(t, srv, "r", "state", m{"functions": m{"huge": m{"returns": `reduce(1..17, #acc + #acc, "aaaaaaa")`, "set": m{"a": `reduce(1..17, #acc + #acc, "aaaaaaa")`}}}})
	nc := srv.Connect(t)
	var crowded atomic.Int64
	sub, err := nc.Subscribe("answers", func(m *nats.Msg) {
		if m.Header.Get(subjects.HeaderErrorCode) == "crowded" {
			crowded.Add(1)
		}
	})
	require.NoError(t, err)
	defer func() { require.NoError(t, sub.Unsubscribe()) }()
	data, err := msg.Msgpack.Encode(msg.Msg{Content: msg.Text("n")})
	require.NoError(t, err)
	for range 2000 {
		require.NoError(t, nc.PublishRequest(subjects.EnvCall("r", "w", "incr"), "answers", data))
	}
	require.Eventually(t, func() bool { return crowded.Load() > 0 }, 10*time.Second, time.Millisecond)

	big := strings.Repeat("x", 900<<10)
	ctx := t.Context()
	require.Eventually(t, func() bool { return w.Set(ctx, "a", big) == nil }, 10*time.Second, time.Millisecond, "more than a group, less than a payload")
	for i := range 8 {
		require.NoError(t, w.Set(ctx, fmt.Sprint("b", i), big))
	}
	_, err = w.Export(ctx)
	require.ErrorIs(t, err, environment.ErrTooLarge)
	var n int
	_, err = w.Get(ctx, "n", &n)
	require.NoError(t, err)
	require.Positive(t, n)
}

// A call that changes more than a record holds changes nothing.
func TestACallThatChangesTooMuch(t *testing.T) {
	srv := natstest.Start(t)
	kinds := environment.NewRegistry().Add("big", func([]byte) (*environment.Code, error) {
		return &environment.Code{Functions: map[string]environment.Function{"fill": {Do: func(tx environment.Tx, _ environment.Args) (any, error) {
			for i := range 10 {
				if err := tx.Set(fmt.Sprint(i), strings.Repeat("x", 1<<20)); err != nil {
					return nil, err
				}
			}
			return nil, nil
		}}}}, nil
	})
	serve(t, srv, engine.Config{Kinds: kinds})
	w := world(t, srv, "r", "big", nil)
	_, err := w.Call(t.Context(), "fill", nil)
	require.ErrorIs(t, err, environment.ErrTooLarge)
	keys, err := w.Keys(t.Context(), "")
	require.NoError(t, err)
	require.Empty(t, keys)
	_, err = w.Incr(t.Context(), "n", 1)
	require.NoError(t, err)
}

// Readers find a tree in the bucket, as it is in the log and never ahead of it.
func TestProjection(t *testing.T) {
	srv := natstest.Start(t)
	serve(t, srv, engine.Config{})
	w := world(t, srv, "r.1", "state", nil)
	kv, err := srv.JetStream(t).KeyValue(t.Context(), subjects.BucketEnv)
	require.NoError(t, err)
	for i := range 30 {
		require.NoError(t, w.Set(t.Context(), "n", i))
	}
	read := func() (p struct {
		Seq  uint64
		Tree struct{ State struct{ N int } }
	}) {
		e, err := kv.Get(t.Context(), subjects.Encode("r.1")+".env.w")
		if err == nil {
			require.NoError(t, json.Unmarshal(e.Value(), &p))
		}
		return p
	}
	require.Eventually(t, func() bool { return read().Tree.State.N == 29 }, 10*time.Second, 5*time.Millisecond)
	s, err := srv.JetStream(t).Stream(t.Context(), subjects.StreamLog)
	require.NoError(t, err)
	require.Equal(t, s.CachedInfo().State.LastSeq, read().Seq)
	require.NoError(t, w.Remove(t.Context()))
	require.Eventually(t, func() bool {
		_, err := kv.Get(t.Context(), subjects.Encode("r.1")+".env.w")
		return err != nil
	}, 10*time.Second, 5*time.Millisecond)
}

func TestTheWorldOfAScenarioIsReadOnly(t *testing.T) {
	srv := natstest.Start(t)
	serve(t, srv, engine.Config{})
	kv, err := srv.JetStream(t).KeyValue(t.Context(), subjects.BucketEnv)
	require.NoError(t, err)
	_, err = kv.Put(t.Context(), "r.world", []byte(`{"run":"r","round":3,"seq":9,"world":{"target":12.5},"previous":{"target":20}}`))
	require.NoError(t, err)
	w := environment.NewClient(srv.Connect(t), "r").Env("world")
	var f float64
	require.NoError(t, w.Query(t.Context(), "state.previous.target - state.target + state.round", &f))
	require.Equal(t, 10.5, f)
	keys, err := w.Keys(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, []string{"previous", "round", "target"}, keys)
	d, err := w.Describe(t.Context())
	require.NoError(t, err)
	require.Equal(t, "scenario", d.Kind)
	err = w.Set(t.Context(), "target", 1)
	require.ErrorIs(t, err, environment.ErrBadRequest)
	require.ErrorContains(t, err, "follows from the answers")
	require.ErrorContains(t, w.Create(t.Context(), "state", nil), "follows from the answers")
	other := environment.NewClient(srv.Connect(t), "r2").Env("world")
	_, err = other.Keys(t.Context(), "")
	require.ErrorIs(t, err, environment.ErrNoEnvironment)
	require.NoError(t, other.Create(t.Context(), "state", nil))
	require.NoError(t, other.Set(t.Context(), "x", 1))
}

// A program without the code of a kind passes calls on to one that has it.
func TestKindsOfOtherPrograms(t *testing.T) {
	srv := natstest.Start(t)
	kinds := environment.NewRegistry().Add("mine/x", func([]byte) (*environment.Code, error) {
		return &environment.Code{Functions: map[string]environment.Function{
			"hello": {Do: func(tx environment.Tx, _ environment.Args) (any, error) { return "I am " + string(tx.Caller()), nil }},
		}}, nil
	})
	for range 3 {
		serve(t, srv, engine.Config{})
	}
	client := environment.NewClient(srv.Connect(t), "r").As(subjects.CodeAddress("h", "a"))
	w := client.Env("w")
	require.ErrorIs(t, w.Create(t.Context(), "mine/x", nil), environment.ErrNoKind)
	mine, _ := serve(t, srv, engine.Config{Kinds: kinds})
	require.NoError(t, w.Create(t.Context(), "mine/x", nil))
	for range 10 { // whoever of the four gets it
		out, err := w.Call(t.Context(), "hello", nil)
		require.NoError(t, err)
		require.Equal(t, "I am code.h.a", out.String())
		_, err = w.Incr(t.Context(), "n", 1)
		require.NoError(t, err)
	}
	require.NoError(t, client.Env("w/inside").Create(t.Context(), "state", nil))
	require.NoError(t, mine.Stop(t.Context()))
	_, err := w.Call(t.Context(), "hello", nil)
	require.ErrorIs(t, err, environment.ErrNoKind)
}

// Arguments may be promised: the call is done when they exist, and others do not wait for it.
func TestPromisedArguments(t *testing.T) {
	srv := natstest.Start(t)
	serve(t, srv, engine.Config{})
	w := world(t, srv, "r", "state", nil)
	nc := srv.Connect(t)
	p, err := promise.NewProducer(nc, natstest.Logger(t), "life", promise.Config{Keep: time.Minute, KeepBytes: 1 << 20})
	require.NoError(t, err)
	t.Cleanup(p.Close)
	ask := func(fail error) chan error {
		place, task, err := p.Begin("r", time.Time{})
		require.NoError(t, err)
		ended := make(chan error, 1)
		go func() {
			_, err := wire.Ask(t.Context(), nc, subjects.EnvCall("r", "w", "set"), wire.Request{Msgs: []msg.Msg{msg.Promise("x", place)}})
			ended <- err
		}()
		_, err = w.Incr(t.Context(), "n", 1)
		require.NoError(t, err)
		content, err := msg.Data(m{"key": "x", "value": 7})
		require.NoError(t, err)
		task.Finish(msg.Msg{Content: content}, fail)
		return ended
	}
	require.NoError(t, <-ask(nil))
	var x int
	_, err = w.Get(t.Context(), "x", &x)
	require.NoError(t, err)
	require.Equal(t, 7, x)
	require.ErrorIs(t, <-ask(wire.ErrCancelled), wire.ErrCancelled)
}

// Trees that nobody uses leave the memory, once what they told was delivered, and come back from the log.
func TestIdleTreesAreReadAgain(t *testing.T) {
	srv := natstest.Start(t)
	e, _ := serve(t, srv, engine.Config{Idle: time.Millisecond})
	w := world(t, srv, "r", "state", nil)
	ann := listen(t, srv.Connect(t), subjects.At("r", "code.h.ann", subjects.VerbObserve), never)
	require.NoError(t, w.Listen(t.Context(), environment.Listener{Name: "l", On: "m", Tell: []subjects.Address{"code.h.ann"}}))
	for i := range 5 {
		n, err := w.Once("same").Incr(t.Context(), "n", 1)
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		n, err = w.Incr(t.Context(), "m", 1)
		require.NoError(t, err)
		require.EqualValues(t, i+1, n)
		require.Eventually(t, func() bool { return engine.Trees(e) == 0 }, 10*time.Second, time.Millisecond)
		require.Len(t, ann.got(), i+1)
	}
}

// Starting and stopping leaves nothing behind, with calls under way.
func TestStartAndStop(t *testing.T) {
	srv := natstest.Start(t)
	nc := srv.Connect(t)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	w := environment.NewClient(srv.Connect(t), "r").Env("w")
	sum := 0
	for range 20 {
		e := engine.New(nc, js, natstest.Logger(t), engine.Config{})
		require.NoError(t, e.Start(t.Context()))
		require.NoError(t, w.Create(t.Context(), "state", nil))
		var wg sync.WaitGroup
		var done atomic.Int64
		for range 8 {
			wg.Go(func() {
				for {
					if _, err := w.Incr(t.Context(), "n", 1); err != nil {
						return
					}
					done.Add(1)
				}
			})
		}
		require.Eventually(t, func() bool { return done.Load() > 20 }, 10*time.Second, time.Millisecond)
		require.NoError(t, e.Stop(t.Context()))
		wg.Wait()
		sum += int(done.Load())
	}
	serve(t, srv, engine.Config{})
	var n int
	_, err = w.Get(t.Context(), "n", &n)
	require.NoError(t, err)
	require.Equal(t, sum, n, "what was answered is in the log, and nothing else")
}

// A record that belongs elsewhere is not used, and who calls the tree is told.
func TestRecordsOfOtherTreesAreNotUsed(t *testing.T) {
	srv := natstest.Start(t)
	serve(t, srv, engine.Config{})
	world(t, srv, "r", "state", nil)
	js := srv.JetStream(t)
	s, err := js.Stream(t.Context(), subjects.StreamLog)
	require.NoError(t, err)
	record, err := s.GetLastMsgForSubject(t.Context(), subjects.LogEnv("r", "w"))
	require.NoError(t, err)
	for _, to := range []struct{ run, env, says string }{{"r2", "w", `of run "r"`}, {"r", "v", `of environment "w"`}} {
		_, err = js.Publish(t.Context(), subjects.LogEnv(to.run, to.env), record.Data)
		require.NoError(t, err)
		_, err = environment.NewClient(srv.Connect(t), to.run).Env(to.env).Export(t.Context())
		require.ErrorIs(t, err, environment.ErrUnavailable)
		require.ErrorContains(t, err, to.says)
	}
}

// Names are text: others could be neither told nor listed.
func TestNamesAreUTF8(t *testing.T) {
	srv := natstest.Start(t)
	serve(t, srv, engine.Config{})
	w := world(t, srv, "r", "state", nil)
	err := environment.NewClient(srv.Connect(t), "r").Env("w/\xff").Create(t.Context(), "state", nil)
	require.ErrorIs(t, err, environment.ErrBadRequest)
	_, err = w.Export(t.Context())
	require.NoError(t, err)
	require.ErrorIs(t, environment.CheckKey("\xff"), environment.ErrBadRequest)
}
