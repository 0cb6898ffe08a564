package promise_test

import (
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/pkg/msg"
)

// BenchmarkHop measures one hop of a promised message between two connections, beside a bare NATS request and its reply on
// the same ones: "hop" from Finish until a holder that waits has the message, "asked" the whole of Resolve for a message
// that exists. All are medians; the ratios are to the bare request.
func BenchmarkHop(b *testing.B) {
	s := natstest.Start(b)
	there, here := s.Connect(b), s.Connect(b)
	p, h := producer(b, there, "i1", generous), holder(b, here)
	value := text("a short answer")
	data, err := msg.Msgpack.Encode(value)
	require.NoError(b, err)
	_, err = there.Subscribe("bare", func(m *nats.Msg) { _ = m.Respond(data) })
	require.NoError(b, err)
	require.NoError(b, there.Flush())

	var bare, hop, asked []time.Duration
	type arrival struct {
		at  time.Time
		err error
	}
	arrived := make(chan arrival)
	poll := time.NewTicker(200 * time.Microsecond)
	defer poll.Stop()
	b.ReportAllocs()
	for b.Loop() {
		start := time.Now()
		_, err := here.Request("bare", nil, long)
		bare = append(bare, time.Since(start))
		require.NoError(b, err)

		m, task := begin(b, p)
		go func() {
			_, err := h.Resolve(b.Context(), m)
			arrived <- arrival{time.Now(), err}
		}()
		for task.Asked() == 0 {
			<-poll.C
		}
		start = time.Now()
		task.Finish(value, nil)
		a := <-arrived
		require.NoError(b, a.err)
		hop = append(hop, a.at.Sub(start))

		start = time.Now()
		_, err = h.Resolve(b.Context(), m)
		asked = append(asked, time.Since(start))
		require.NoError(b, err)
	}
	median := func(all []time.Duration) float64 {
		slices.Sort(all)
		return float64(all[len(all)/2])
	}
	b.ReportMetric(median(bare), "bare-ns")
	b.ReportMetric(median(hop), "hop-ns")
	b.ReportMetric(median(asked), "asked-ns")
	b.ReportMetric(median(hop)/median(bare), "hop/bare")
	b.ReportMetric(median(asked)/median(bare), "asked/bare")
}

// BenchmarkTask is the cost of a promise at its producer, without anybody who asks.
func BenchmarkTask(b *testing.B) {
	p := producer(b, natstest.Start(b).Connect(b), "i1", generous)
	value := text("a short answer")
	b.ReportAllocs()
	for b.Loop() {
		_, task, err := p.Begin("r", time.Now().Add(time.Hour))
		if err != nil {
			b.Fatal(err)
		}
		task.Finish(value, nil)
	}
}
