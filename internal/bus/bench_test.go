package bus_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/bus"
)

// BenchmarkMessages is the rate of plain messages from one in-process
// connection to another.
func BenchmarkMessages(b *testing.B) {
	for _, size := range []int{128, 64 << 10} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			s := start(b, b.TempDir())
			from, _ := connect(b, s)
			to, _ := connect(b, s)
			var got atomic.Int64
			all := make(chan struct{})
			want := int64(b.N)
			sub, err := to.Subscribe("bench", func(*nats.Msg) {
				if got.Add(1) == want {
					close(all)
				}
			})
			require.NoError(b, err)
			require.NoError(b, sub.SetPendingLimits(-1, -1))
			require.NoError(b, to.Flush())
			data := make([]byte, size)
			b.SetBytes(int64(size))
			b.ResetTimer()
			for range b.N { // not b.Loop: the receiver has to know the count
				if err := from.Publish("bench", data); err != nil {
					b.Fatal(err)
				}
			}
			<-all
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s")
		})
	}
}

// BenchmarkAppend is the rate of synced appends to the run log, each awaited
// before the next.
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{256, 256 << 10} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			_, js := provisionedFor(b)
			data := make([]byte, size)
			b.SetBytes(int64(size))
			for b.Loop() {
				if _, err := js.Publish(b.Context(), "myriad.run.r.log.answer.0", data); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
		})
	}
}

// BenchmarkAppendBatch is the rate of records appended in atomic batches.
func BenchmarkAppendBatch(b *testing.B) {
	for _, n := range []int{10, 100, bus.MaxBatchMsgs} {
		b.Run(fmt.Sprintf("%dx256B", n), func(b *testing.B) {
			nc, _ := provisionedFor(b)
			msgs := batch("r", n)
			for _, m := range msgs {
				m.Data = make([]byte, 256)
			}
			b.SetBytes(int64(n * 256))
			for b.Loop() {
				if _, err := bus.PublishBatch(b.Context(), nc, msgs); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// provisionedFor starts a server with the default room for the run log.
func provisionedFor(b *testing.B) (*nats.Conn, jetstream.JetStream) {
	b.Helper()
	nc, js := connect(b, start(b, b.TempDir()))
	require.NoError(b, bus.Provision(b.Context(), js, bus.Options{}))
	return nc, js
}
