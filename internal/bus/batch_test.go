package bus_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// batch makes n records named name/0, name/1 … on a subject of one run.
func batch(name string, n int) []*nats.Msg {
	msgs := make([]*nats.Msg, n)
	for i := range msgs {
		msgs[i] = &nats.Msg{Subject: "myriad.run." + name + ".log.message.0", Data: fmt.Appendf(nil, "%s/%d", name, i)}
	}
	return msgs
}

// logState reads the state of the run log.
func logState(t testing.TB, js jetstream.JetStream) jetstream.StreamState {
	t.Helper()
	s, err := js.Stream(t.Context(), subjects.StreamLog)
	require.NoError(t, err)
	return s.CachedInfo().State
}

func record(t testing.TB, js jetstream.JetStream, seq uint64) *jetstream.RawStreamMsg {
	t.Helper()
	s, err := js.Stream(t.Context(), subjects.StreamLog)
	require.NoError(t, err)
	m, err := s.GetMsg(t.Context(), seq)
	require.NoError(t, err)
	return m
}

// half sends the first n messages of a batch and never the commit.
func half(t testing.TB, nc *nats.Conn, id string, n int) {
	t.Helper()
	for i, m := range batch("half", n) {
		m.Header = nats.Header{"Nats-Batch-Id": {id}, "Nats-Batch-Sequence": {strconv.Itoa(i + 1)}}
		require.NoError(t, nc.PublishMsg(m))
	}
	require.NoError(t, nc.Flush())
}

func TestBatchIsStoredWholeAndInOrder(t *testing.T) {
	nc, js := provisioned(t)
	for _, n := range []int{1, 2, bus.MaxBatchMsgs} {
		before := logState(t, js).LastSeq
		msgs := batch("r", n)
		msgs[0].Header = nats.Header{"X-Kept": {"yes"}}
		ack, err := bus.PublishBatch(t.Context(), nc, msgs)
		require.NoError(t, err)
		require.Equal(t, subjects.StreamLog, ack.Stream)
		require.Equal(t, before+uint64(n), ack.Sequence)
		first := record(t, js, ack.Sequence-uint64(n)+1)
		require.Equal(t, "r/0", string(first.Data))
		require.Equal(t, "yes", first.Header.Get("X-Kept"))
		require.Equal(t, fmt.Sprintf("r/%d", n-1), string(record(t, js, ack.Sequence).Data))
		require.Equal(t, nats.Header{"X-Kept": {"yes"}}, msgs[0].Header, "the caller's messages are left as they are")
	}
}

// TestBatchesDoNotMix publishes from several connections at once: each batch
// must stand in the stream without a gap or a stranger.
func TestBatchesDoNotMix(t *testing.T) {
	s := start(t, t.TempDir())
	_, js := connect(t, s)
	require.NoError(t, bus.Provision(t.Context(), js, bus.Options{MaxBytes: 1 << 30}))
	conns := make([]*nats.Conn, 4)
	for i := range conns {
		conns[i], _ = connect(t, s)
	}
	for round := range 6 {
		sizes := make([]int, len(conns))
		acks := make([]*jetstream.PubAck, len(conns))
		errs := make([]error, len(conns))
		var all sync.WaitGroup
		for i, nc := range conns {
			sizes[i] = 1 + (round*13+i*7)%40
			all.Go(func() { acks[i], errs[i] = bus.PublishBatch(t.Context(), nc, batch(fmt.Sprintf("w%d", i), sizes[i])) })
		}
		all.Wait()
		for i, ack := range acks {
			require.NoError(t, errs[i])
			for k := range sizes[i] {
				seq := ack.Sequence - uint64(sizes[i]-1-k)
				require.Equal(t, fmt.Sprintf("w%d/%d", i, k), string(record(t, js, seq).Data))
			}
		}
	}
}

func TestHalfABatchLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	_, js := connect(t, s)
	require.NoError(t, bus.Provision(t.Context(), js, bus.Options{MaxBytes: 1 << 30}))
	dying, err := s.Connect("dying")
	require.NoError(t, err)
	half(t, dying, "abandoned", 3)
	dying.Close()

	nc, _ := connect(t, s)
	ack, err := bus.PublishBatch(t.Context(), nc, batch("r", 5))
	require.NoError(t, err, "others are not in its way")
	require.Equal(t, uint64(5), ack.Sequence, "nothing of the half is in the stream")

	half(t, nc, "cut", 3)
	s.Stop()
	_, js = connect(t, start(t, dir))
	require.Equal(t, uint64(5), logState(t, js).Msgs, "nor after a restart")
}

func TestBatchRefusals(t *testing.T) {
	nc, js := provisioned(t)
	first, err := js.Publish(t.Context(), "myriad.run.r.log.message.0", nil, jetstream.WithMsgID("seen"))
	require.NoError(t, err)
	with := func(key, value string) []*nats.Msg {
		msgs := batch("r", 3)
		msgs[1].Header = nats.Header{key: {value}}
		return msgs
	}
	moved := func(subject string) []*nats.Msg {
		msgs := batch("r", 3)
		for _, m := range msgs {
			m.Subject = subject
		}
		return msgs
	}
	big := batch("r", 8)
	for _, m := range big {
		m.Data = make([]byte, 5<<20)
	}
	huge := batch("r", 2)
	huge[1].Data = make([]byte, bus.MaxPayload+1)
	for name, c := range map[string]struct {
		msgs []*nats.Msg
		want error
	}{
		"empty":                  {nil, bus.ErrBatchEmpty},
		"too many messages":      {batch("r", bus.MaxBatchMsgs+1), bus.ErrBatchTooLarge},
		"too many bytes":         {big, bus.ErrBatchTooLarge},
		"message above payload":  {huge, bus.ErrBatchTooLarge},
		"last sequence moved on": {with("Nats-Expected-Last-Sequence", "77"), bus.ErrBatchConflict},
		"subject sequence moved": {with("Nats-Expected-Last-Subject-Sequence", "77"), bus.ErrBatchConflict},
		"duplicate message id":   {with("Nats-Msg-Id", "seen"), bus.ErrBatchConflict},
		"stream without batches": {moved("$KV." + subjects.BucketRuns + ".r"), bus.ErrBatchDisabled},
		"no stream":              {moved("elsewhere"), bus.ErrBatchRejected},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := bus.PublishBatch(t.Context(), nc, c.msgs)
			require.ErrorIs(t, err, c.want)
			require.Equal(t, first.Sequence, logState(t, js).LastSeq, "nothing is stored")
		})
	}
}

func TestBatchExpectsTheLastSubjectSequence(t *testing.T) {
	nc, js := provisioned(t)
	ack, err := js.Publish(t.Context(), "myriad.run.r.log.message.0", nil)
	require.NoError(t, err)
	msgs := batch("r", 2)
	msgs[0].Header = nats.Header{"Nats-Expected-Last-Subject-Sequence": {strconv.FormatUint(ack.Sequence, 10)}}
	_, err = bus.PublishBatch(t.Context(), nc, msgs)
	require.NoError(t, err)
	_, err = bus.PublishBatch(t.Context(), nc, msgs)
	require.ErrorIs(t, err, bus.ErrBatchConflict, "the second writer loses")
}

func TestBatchIntoAFullStreamStoresNothing(t *testing.T) {
	nc, js := connect(t, start(t, t.TempDir()))
	require.NoError(t, bus.Provision(t.Context(), js, bus.Options{MaxBytes: 64 << 10}))
	msgs := batch("r", 10)
	for _, m := range msgs {
		m.Data = []byte(strings.Repeat("x", 10<<10))
	}
	_, err := bus.PublishBatch(t.Context(), nc, msgs)
	require.ErrorIs(t, err, bus.ErrBatchRejected)
	require.ErrorContains(t, err, "maximum bytes exceeded")
	require.Zero(t, logState(t, js).LastSeq)
}

func TestTooManyBatchesAtOnceIsBusy(t *testing.T) {
	nc, _ := provisioned(t)
	for i := range 50 { // the server's limit for one stream
		half(t, nc, fmt.Sprintf("open-%d", i), 1)
	}
	_, err := bus.PublishBatch(t.Context(), nc, batch("r", 3))
	require.ErrorIs(t, err, bus.ErrBatchBusy)
}

// TestBatchWithoutAnAnswerIsUnconfirmed uses a subject that someone listens to
// and no stream answers.
func TestBatchWithoutAnAnswerIsUnconfirmed(t *testing.T) {
	nc, _ := connect(t, start(t, t.TempDir()))
	_, err := nc.SubscribeSync("void")
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = bus.PublishBatch(ctx, nc, []*nats.Msg{{Subject: "void"}})
	require.ErrorIs(t, err, bus.ErrBatchUnconfirmed)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}
