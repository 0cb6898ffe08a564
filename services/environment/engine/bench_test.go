package engine_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/pkg/environment"
	"github.com/myriad-sim/myriad/pkg/subjects"
	"github.com/myriad-sim/myriad/services/environment/engine"
)

// Durable calls of one environment, with a number of callers in flight. Clients, service and broker share the process. CPU is
// what all of them take for a call, which tells more than the rate where the machine has other work.
func BenchmarkCalls(b *testing.B) {
	for _, callers := range []int{1, 64, 256, 1024} {
		b.Run(fmt.Sprintf("callers-%d", callers), func(b *testing.B) { calls(b, 1, callers) })
	}
	b.Run("callers-256-two-engines", func(b *testing.B) { calls(b, 2, 256) })
}

func calls(b *testing.B, engines, callers int) {
	srv := natstest.Start(b)
	for range engines {
		serve(b, srv, engine.Config{})
	}
	world(b, srv, "r", "state", nil)
	clients := make([]*environment.Env, 4) // as four programs would
	for i := range clients {
		clients[i] = environment.NewClient(srv.Connect(b), "r").Env("w")
	}
	b.ResetTimer()
	begun, spent := time.Now(), cpu(b)
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if _, err := clients[i%len(clients)].Incr(b.Context(), "n", 1); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/time.Since(begun).Seconds(), "calls/s")
	b.ReportMetric(float64((cpu(b)-spent).Microseconds())/float64(b.N), "cpu-µs/call")
	var n int
	_, err := clients[0].Get(b.Context(), "n", &n)
	require.NoError(b, err)
	require.Equal(b, b.N, n)
}

// cpu is what the process has used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Increments by 64 callers that each compare and set, as often as it takes. On one key one succeeds of those that wait at a
// time. With -benchtime 100000x it is the promise that 100,000 of them end exact.
func BenchmarkCompareAndSet(b *testing.B) {
	for _, keys := range []int{1, 64} {
		b.Run(fmt.Sprintf("keys-%d", keys), func(b *testing.B) { compare(b, keys) })
	}
}

func compare(b *testing.B, keys int) {
	srv := natstest.Start(b)
	serve(b, srv, engine.Config{})
	w := world(b, srv, "r", "state", nil)
	begun := time.Now()
	b.ResetTimer()
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := compareAndAdd(b.Context(), w, fmt.Sprint("n", i%keys)); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/time.Since(begun).Seconds(), "increments/s")
	var n int
	require.NoError(b, w.Query(b.Context(), "sum(values(state))", &n))
	require.Equal(b, b.N, n)
}

// What one record a call would cost: a publish with compare-and-set, on disk when it returns.
func BenchmarkOneRecordEach(b *testing.B) {
	srv := natstest.Start(b)
	js := srv.JetStream(b)
	data := make([]byte, 100)
	begun, last := time.Now(), uint64(0)
	for b.Loop() {
		ack, err := js.Publish(b.Context(), subjects.LogEnv("r", "w"), data, jetstream.WithExpectLastSequencePerSubject(last))
		require.NoError(b, err)
		last = ack.Sequence
	}
	b.ReportMetric(float64(b.N)/time.Since(begun).Seconds(), "calls/s")
}
