package engine_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/environment"
	"github.com/myriad-sim/myriad/pkg/subjects"
	"github.com/myriad-sim/myriad/services/environment/engine"
	"github.com/myriad-sim/myriad/services/environment/engine/tree"
)

// What it takes to read a tree that has had a number of records, with a thousand keys: the whole log, and a checkpoint with what
// came after it.
func BenchmarkComeBack(b *testing.B) {
	histories := []int{100_000, 1_000_000}
	if testing.Short() {
		histories = []int{100_000}
	}
	for _, records := range histories {
		srv := natstest.Start(b, natstest.WithOptions(bus.Options{MaxBytes: 4 << 30}))
		begun := time.Now()
		history(b, srv, records)
		b.Logf("%d records written in %v", records, time.Since(begun))
		e, _ := serve(b, srv, engine.Config{}, engine.PutAwayEach(1<<40))
		back := func(b *testing.B) {
			for b.Loop() {
				begun := time.Now()
				_, read := engine.Loaded(b, e, "r", "w")
				b.ReportMetric(time.Since(begun).Seconds(), "s")
				b.ReportMetric(float64(read), "records")
			}
		}
		b.Run(fmt.Sprintf("records-%d/log", records), back)
		w := environment.NewClient(srv.Connect(b), "r").Env("w")
		writer, _ := serve(b, srv, engine.Config{}) // which finds that one is due
		require.Eventually(b, func() bool {
			if _, err := w.Incr(b.Context(), "n", 1); err != nil {
				return false // it reads the whole log, for longer than a call waits
			}
			seq, err := engine.Checkpoints(writer).Newest(b.Context(), subjects.LogEnv("r", "w"))
			return err == nil && seq > 0
		}, 5*time.Minute, 10*time.Millisecond)
		b.Run(fmt.Sprintf("records-%d/checkpoint", records), back)
	}
}

// history writes the log of a tree in which a number is added to, key by key.
func history(b *testing.B, srv *natstest.Server, records int) {
	nc := srv.InProcess(b)
	var batch []*nats.Msg
	at := time.Now().UTC()
	for i := range records {
		e := &tree.Entry{Env: "w", Function: "incr", ID: fmt.Sprint(i), Outcome: &tree.Outcome{Value: int64(i)}}
		e.Ops = []tree.Op{{Kind: tree.OpSet, Key: fmt.Sprint("k", i%1000), Value: int64(i)}}
		if i == 0 {
			e.Ops = []tree.Op{{Kind: tree.OpCreate, Key: "state"}}
		}
		var packed bytes.Buffer
		require.NoError(b, tree.PackEntry(&packed, e))
		body, err := tree.Pack(tree.Record{Nonce: uint64(i), At: at}, 1, packed.Bytes())
		require.NoError(b, err)
		data, err := runlog.Encode(runlog.Header{Kind: runlog.KindEnv, Run: "r", Writer: "before"}, body)
		require.NoError(b, err)
		if batch = append(batch, &nats.Msg{Subject: subjects.LogEnv("r", "w"), Data: data}); len(batch) == bus.MaxBatchMsgs || i == records-1 {
			_, err := bus.PublishBatch(b.Context(), nc, batch)
			require.NoError(b, err)
			batch = nil
		}
	}
}
