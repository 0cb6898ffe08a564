package actor

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// What it takes to come back with a thousand agents that have had a number of messages, of which each remembers the last
// hundred: from the whole log, and from a checkpoint.
func BenchmarkComeBack(b *testing.B) {
	histories := []int{50_000, 200_000}
	if testing.Short() {
		histories = []int{5_000}
	}
	for _, messages := range histories {
		s := &stage{TB: b, srv: natstest.Start(b, natstest.WithOptions(bus.Options{MaxBytes: 4 << 30}))}
		s.history(messages)
		back := func(b *testing.B) {
			for b.Loop() {
				h := s.made("h1", kinds())
				h.tailRecords = 1 << 40 // it writes none
				begun := time.Now()
				require.NoError(b, h.Start(b.Context()))
				b.ReportMetric(time.Since(begun).Seconds(), "s")
				require.Equal(b, 1000, h.Agents())
				h.crash(b)
			}
		}
		b.Run(fmt.Sprintf("messages-%d/log", messages), back)
		h := s.host("h1", kinds())
		h.putAway(h.runs["r1"].journal)
		s.putAway = 1
		s.saved(h)
		h.end(b)
		b.Run(fmt.Sprintf("messages-%d/checkpoint", messages), func(b *testing.B) {
			for b.Loop() {
				h := s.made("h1", kinds())
				h.tailRecords = 10_000
				begun := time.Now()
				require.NoError(b, h.Start(b.Context()))
				b.ReportMetric(time.Since(begun).Seconds(), "s")
				require.Equal(b, 1000, h.Agents())
				require.Zero(b, h.runs["r1"].journal.tail.Records())
				h.crash(b)
			}
		})
	}
}

// history writes the log of a thousand agents that reply.
func (s *stage) history(messages int) {
	const agents = 1000
	nc := s.srv.InProcess(s.TB)
	var batch []*nats.Msg
	flush := func() {
		_, err := bus.PublishBatch(s.Context(), nc, batch)
		require.NoError(s, err)
		batch = nil
	}
	write := func(b *body) {
		data, err := runlog.Encode(runlog.Header{Kind: runlog.KindCode, Run: "r1", Writer: "before"}, b.bytes())
		require.NoError(s, err)
		if batch = append(batch, &nats.Msg{Subject: subjects.LogCode("r1", "h1"), Data: data}); len(batch) == bus.MaxBatchMsgs {
			flush()
		}
	}
	b := newBody()
	for n := range agents {
		e := &entry{kind: entryCreated, agent: fmt.Sprint("a", n), number: n, of: "echo", change: agent.Change{Reset: true, Window: 100}}
		require.NoError(s, e.pack())
		require.True(s, b.add(e))
	}
	write(b)
	b = newBody()
	for i := range messages {
		in, out := say(fmt.Sprint("message number ", i)), say(fmt.Sprint("message number ", i))
		data, err := msg.Msgpack.Encode(out)
		require.NoError(s, err)
		e := &entry{kind: entryOutcome, agent: fmt.Sprint("a", i%agents), verb: "reply", id: fmt.Sprint(i), reply: &piece{&out, data}}
		e.change.Append = []*msg.Msg{&in, &out}
		require.NoError(s, e.pack())
		require.True(s, b.add(e))
		if i%8 == 7 { // about what a busy host has in one
			write(b)
			b = newBody()
		}
	}
	if len(batch) > 0 {
		flush()
	}
}
