package actor

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Requests to 64 agents from 64 callers over a real broker, beside a bare responder on the same one.
func BenchmarkRequests(b *testing.B) {
	reg := agent.NewRegistry().Add("plain", replies(func(context.Context, *agent.Self, ...msg.Msg) (msg.Msg, error) {
		return msg.Msg{Content: msg.Text("yes")}, nil
	})).Add("logged", replies(func(_ context.Context, self *agent.Self, in ...msg.Msg) (msg.Msg, error) {
		self.Memory.Append(in...)
		return msg.Msg{Content: msg.Text("yes")}, nil
	}))
	srv := natstest.Start(b)
	nc := srv.InProcess(b)
	rt, err := New(nc, slog.New(slog.DiscardHandler), Config{Host: "h1", Incarnation: "bench", Kinds: reg})
	require.NoError(b, err)
	require.NoError(b, rt.Start(b.Context()))
	defer func() { require.NoError(b, rt.Stop(context.Background())) }()
	caller := srv.InProcess(b)
	c, err := agent.NewClient(caller, "r1", slog.New(slog.DiscardHandler))
	require.NoError(b, err)
	defer c.Close()
	const callers = 64
	var to [2][callers]subjects.Address
	for i := range callers {
		for k, kind := range []string{"plain", "logged"} {
			to[k][i], err = c.Create(b.Context(), "h1", agent.Spec{Name: fmt.Sprint(kind, i), Kind: kind})
			require.NoError(b, err)
		}
	}
	_, err = nc.Subscribe("bare", func(m *nats.Msg) { _ = m.Respond(m.Data) })
	require.NoError(b, err)
	in := say("hello")
	run := func(name string, ask func(ctx context.Context, i int) error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			share := b.N/callers + 1
			b.ResetTimer()
			var all sync.WaitGroup
			for i := range callers {
				all.Go(func() {
					for range share {
						if err := ask(context.Background(), i); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64(share*callers)/b.Elapsed().Seconds(), "requests/s")
		})
	}
	run("bare", func(ctx context.Context, _ int) error {
		_, err := caller.RequestWithContext(ctx, "bare", []byte("hello"))
		return err
	})
	run("reply", func(ctx context.Context, i int) error {
		_, err := c.Reply(ctx, to[0][i], in)
		return err
	})
	run("reply/logged", func(ctx context.Context, i int) error {
		_, err := c.Reply(ctx, to[1][i], in)
		return err
	})
	run("call", func(ctx context.Context, i int) error {
		p, err := c.Call(ctx, to[0][i], in)
		if err == nil {
			_, err = c.Resolve(ctx, p)
		}
		return err
	})
	run("call/logged", func(ctx context.Context, i int) error {
		p, err := c.Call(ctx, to[1][i], in)
		if err == nil {
			_, err = c.Resolve(ctx, p)
		}
		return err
	})
}

// A hub in which 1,000 participants on one host hear 10,000 messages that they say themselves.
func BenchmarkHub(b *testing.B) {
	participants, messages := 1000, 10_000
	if testing.Short() {
		participants, messages = 100, 1000
	}
	for b.Loop() {
		b.StopTimer()
		s := newStage(b)
		h := s.host("h1", agent.NewRegistry().Add("echo", replies(echo)))
		c, q := s.client(), s.square()
		members := q.crowd(c, "h1", participants)
		records := s.records("h1")
		b.StartTimer()
		for i := range messages {
			q.say(members[i%participants], fmt.Sprint("message number ", i))
		}
		q.flush()
		for p := range participants {
			a := h.runs["r1"].agent(fmt.Sprint("p", p))
			for a.self.Memory.Len() < messages-messages/participants || a.unlogged.Load() > 0 {
				runtime.Gosched()
			}
		}
		b.StopTimer()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(s.records("h1")-records), "records")
		b.ReportMetric(float64(m.HeapAlloc)/(1<<20), "MB")
		b.StartTimer()
	}
}
