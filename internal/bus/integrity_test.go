package bus_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/internal/damage"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

const (
	storedRecords = 80 // in three blocks of 32 KB
	storedBytes   = 1000
)

// store is a data directory with a log of two runs whose records take turns, the first that of run a.
type store struct{ dir string }

func (s store) blocks(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(s.dir, "nats/jetstream/$G/streams/MYRIAD_LOG/msgs/*.blk"))
	require.NoError(t, err)
	slices.SortFunc(all, func(a, b string) int { return len(a) - len(b) })
	require.Len(t, all, 3)
	return all
}

func (s store) copy(t *testing.T) store {
	t.Helper()
	to := store{dir: t.TempDir()}
	require.NoError(t, os.CopyFS(to.dir, os.DirFS(s.dir)))
	return to
}

func (s store) change(t *testing.T, block int, do func([]byte) []byte) {
	t.Helper()
	path := s.blocks(t)[block]
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, do(data), 0o600))
}

// at is where a record begins in a block's bytes.
func at(t *testing.T, data []byte, text string) int {
	t.Helper()
	i := strings.Index(string(data), text)
	require.Positive(t, i)
	return i
}

func runOf(i int) string { return string(rune('a' + i%2)) }

// payload looks like a record of the log, as far as the bus can tell.
func payload(i int) []byte {
	return append([]byte{0x98}, fmt.Sprintf("<%d>%s", i, strings.Repeat("x", storedBytes))...)
}

// makeStores returns a directory after an orderly stop, and one as a crash would have left it.
func makeStores(t *testing.T) (stopped, crashed store) {
	t.Helper()
	stopped = store{dir: t.TempDir()}
	s, err := bus.StartServer(t.Context(), bus.ServerConfig{DataDir: stopped.dir, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	js := streamOf(t, s)
	for i := 1; i <= storedRecords; i++ {
		_, err := js.PublishAsync(subjects.LogAnswer(runOf(i), i%3), payload(i))
		require.NoError(t, err)
	}
	<-js.PublishAsyncComplete()
	require.Eventually(t, func() bool { return bus.Marked(s) == storedRecords }, 5*time.Second, 10*time.Millisecond)
	crashed = stopped.copy(t)
	js.Conn().Close()
	s.Stop()
	return stopped, crashed
}

func streamOf(t *testing.T, s *bus.Server) jetstream.JetStream {
	t.Helper()
	nc, err := s.Connect("test")
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	require.NoError(t, bus.Provision(t.Context(), js, bus.Options{MaxBytes: 120_000}))
	return js
}

// held is what a reader of the log finds: sequences with their records, and the notes among them.
func held(t *testing.T, js jetstream.JetStream) (whole map[uint64]bool, notes []damage.Note, last uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	stream, err := js.Stream(ctx, subjects.StreamLog)
	require.NoError(t, err)
	last = stream.CachedInfo().State.LastSeq
	whole = map[uint64]bool{}
	cons, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	require.NoError(t, err)
	for left := stream.CachedInfo().State.Msgs; left > 0; left-- {
		m, err := cons.Next()
		require.NoError(t, err)
		meta, err := m.Metadata()
		require.NoError(t, err)
		if n, ok := damage.Read(m.Data()); ok {
			if n.Subject != "" {
				require.Equal(t, n.Place(), m.Subject())
				require.Equal(t, n.First, meta.Sequence.Stream)
			}
			notes = append(notes, n)
			continue
		}
		require.Equal(t, payload(int(meta.Sequence.Stream)), m.Data())
		whole[meta.Sequence.Stream] = true
	}
	return whole, notes, last
}

func TestDamageIsMarkedAndNothingElseIsLost(t *testing.T) {
	stopped, crashed := makeStores(t)
	perBlock := func(from store, block int) (first, last int) {
		data, err := os.ReadFile(from.blocks(t)[block])
		require.NoError(t, err)
		for i := 1; i <= storedRecords; i++ {
			if strings.Contains(string(data), fmt.Sprintf("<%d>", i)) {
				if first == 0 {
					first = i
				}
				last = i
			}
		}
		return first, last
	}
	first1, last1 := perBlock(stopped, 1)
	_, last0 := perBlock(stopped, 0)
	first2, last2 := perBlock(stopped, 2)
	require.Equal(t, storedRecords, last2)
	require.Equal(t, last0+1, first1)
	mid := first1 + 10
	flip := func(text string, offset int, bit byte) func([]byte) []byte {
		return func(data []byte) []byte {
			data[at(t, data, text)+offset] ^= bit
			return data
		}
	}
	record := func(i int) string { return subjects.LogAnswer(runOf(i), i%3) + "\x98<" + fmt.Sprint(i) + ">" }
	cases := []struct {
		name        string
		do          func(s store)
		first, last int
		known       bool // whose record it was
	}{
		{"a bit of the payload", func(s store) { s.change(t, 1, flip(record(mid), 100, 4)) }, mid, mid, true},
		{"the first bit of the payload", func(s store) { s.change(t, 1, flip(record(mid), len(record(mid))-6, 8)) }, mid, mid, true},
		{"a bit of the subject", func(s store) { s.change(t, 1, flip(record(mid), 12, 1)) }, mid, mid, true},
		{"a bit of the length", func(s store) { s.change(t, 1, flip(record(mid), -22, 64)) }, mid, mid, true},
		{"a high bit of the length", func(s store) { s.change(t, 1, flip(record(mid), -19, 128)) }, mid, mid, true},
		{"a bit of the sequence", func(s store) { s.change(t, 1, flip(record(mid), -18, 16)) }, mid, mid, true},
		{"a bit of the length of the subject", func(s store) { s.change(t, 1, flip(record(mid), -2, 1)) }, mid, mid, true},
		{"a bit of the first record of a block", func(s store) { s.change(t, 1, flip(record(first1), 90, 2)) }, first1, first1, true},
		{"a bit of the last record of a block", func(s store) { s.change(t, 1, flip(record(last1), 90, 2)) }, last1, last1, true},
		{"a bit of the last block", func(s store) { s.change(t, 2, flip(record(first2+3), 90, 2)) }, first2 + 3, first2 + 3, true},
		{"a bit of the last record", func(s store) { s.change(t, 2, flip(record(last2), 90, 2)) }, last2, last2, true},
		{"a sector of zeros", func(s store) {
			s.change(t, 1, func(data []byte) []byte { clear(data[at(t, data, record(mid))-100:][:600]); return data })
		}, mid - 1, mid, false},
		{"an old block is cut off", func(s store) {
			s.change(t, 1, func(data []byte) []byte { return data[:at(t, data, record(mid))+300] })
		}, mid, last1, false},
		{"an old block is cut off between records", func(s store) {
			s.change(t, 1, func(data []byte) []byte { return data[:at(t, data, record(mid))-22] })
		}, mid, last1, false},
		{"the last block is cut off", func(s store) {
			s.change(t, 2, func(data []byte) []byte { return data[:at(t, data, record(last2-4))+300] })
		}, last2 - 4, last2, false},
		{"the first block is gone", func(s store) { require.NoError(t, os.Remove(s.blocks(t)[0])) }, 1, last0, false},
		{"an old block is gone", func(s store) { require.NoError(t, os.Remove(s.blocks(t)[1])) }, first1, last1, false},
		{"the last block is gone", func(s store) { require.NoError(t, os.Remove(s.blocks(t)[2])) }, first2, last2, false},
		{"the index", func(s store) {
			path := filepath.Join(filepath.Dir(s.blocks(t)[0]), "index.db")
			if data, err := os.ReadFile(path); err == nil {
				data[40] ^= 4
				require.NoError(t, os.WriteFile(path, data, 0o600))
			}
		}, 0, 0, false},
	}
	for i, c := range cases {
		for how, from := range map[string]store{"after a stop": stopped, "after a crash": crashed} {
			if how == "after a stop" && i%3 > 0 {
				continue // what matters happens before the server looks
			}
			t.Run(c.name+" "+how, func(t *testing.T) {
				t.Parallel()
				s := from.copy(t)
				c.do(s)
				before, err := bus.Inspect(t.Context(), s.dir)
				require.NoError(t, err)
				for again := range 1 + (i+1)%2 {
					server, err := bus.StartServer(t.Context(), bus.ServerConfig{DataDir: s.dir, Log: slog.New(slog.DiscardHandler)})
					require.NoError(t, err)
					js := streamOf(t, server)
					whole, notes, last := held(t, js)
					found := server.Damaged()
					ack, err := js.Publish(t.Context(), subjects.LogAnswer("a", 1), payload(storedRecords+1+again))
					require.NoError(t, err)
					js.Conn().Close()
					server.Stop()

					require.Equal(t, found, notes, "what is told is in the log")
					require.EqualValues(t, storedRecords+again, last, "no sequence is given away twice")
					require.Equal(t, last+1, ack.Sequence)
					want := map[uint64]bool{}
					for i := 1; i <= storedRecords+again; i++ {
						if c.first == 0 || i < c.first || i > c.last {
							want[uint64(i)] = true
						}
					}
					require.Equal(t, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(whole)))
					if c.first == 0 {
						require.Empty(t, found)
						continue
					}
					require.Len(t, before, len(found))
					require.LessOrEqual(t, len(found), 2)
					require.EqualValues(t, c.first, found[0].First)
					require.EqualValues(t, c.last, found[len(found)-1].Last)
					require.Equal(t, c.known, found[len(found)-1].Subject != "")
					if found[0].Subject != "" {
						require.Equal(t, subjects.LogAnswer(runOf(c.first), c.first%3), found[0].Subject)
					}
					require.FileExists(t, found[0].Copy)
				}
			})
		}
	}
}

func TestALogThatIsGoneIsRefused(t *testing.T) {
	s, _ := makeStores(t)
	require.NoError(t, os.RemoveAll(filepath.Join(s.dir, "nats/jetstream/$G/streams/MYRIAD_LOG")))
	_, err := bus.StartServer(t.Context(), bus.ServerConfig{DataDir: s.dir, Log: slog.New(slog.DiscardHandler)})
	require.ErrorIs(t, err, bus.ErrStoreDamaged)
}

// Where there is nobody to read notes, in a stream of another kind than the run log, what is lost is told once and not at every
// start, and its sequences are not given away again.
func TestDamageOfOtherStreamsIsToldOnce(t *testing.T) {
	t.Parallel()
	s := store{dir: t.TempDir()}
	publish := func(from, to int) (found []damage.Note) {
		server, err := bus.StartServer(t.Context(), bus.ServerConfig{DataDir: s.dir, Log: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		defer server.Stop()
		js := streamOf(t, server)
		defer js.Conn().Close()
		for i := from; i <= to; i++ {
			ack, err := js.Publish(t.Context(), strings.ReplaceAll(subjects.StreamHubSubject, "*", "h"), fmt.Appendf(nil, "<%d>%s", i, strings.Repeat("x", 100)))
			require.NoError(t, err)
			require.EqualValues(t, i, ack.Sequence)
		}
		return server.Damaged()
	}
	require.Empty(t, publish(1, 9))
	paths, err := filepath.Glob(filepath.Join(s.dir, "nats/jetstream/$G/streams", subjects.StreamHub, "msgs/*.blk"))
	require.NoError(t, err)
	require.Len(t, paths, 1)
	data, err := os.ReadFile(paths[0])
	require.NoError(t, err)
	clear(data[at(t, data, "<4>"):at(t, data, "<6>")])
	require.NoError(t, os.WriteFile(paths[0], data, 0o600))
	found := publish(10, 10)
	require.NotEmpty(t, found)
	require.EqualValues(t, 4, found[0].First)
	require.EqualValues(t, 6, found[len(found)-1].Last)
	require.Empty(t, publish(11, 11))
	require.Empty(t, publish(12, 12))
}
