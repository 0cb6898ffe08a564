package bus

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/damage"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// fuzzRecords is how many records of the run log a server has written into the block that fuzzing begins with.
const fuzzRecords = 6

// writtenBlocks are block files that a server wrote: of the run log, of a stream with a tombstone and headers.
func writtenBlocks(f *testing.F) (log, other []byte) {
	f.Helper()
	dir := f.TempDir()
	s, err := StartServer(f.Context(), ServerConfig{DataDir: dir, Log: slog.New(slog.DiscardHandler)})
	require.NoError(f, err)
	defer s.Stop()
	nc, err := s.Connect("test")
	require.NoError(f, err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	require.NoError(f, err)
	require.NoError(f, Provision(f.Context(), js, Options{MaxBytes: 1 << 20}))
	for i := range fuzzRecords {
		m := nats.NewMsg(subjects.LogAnswer("r1", i%3))
		m.Data = append([]byte{0x98, 1}, strings.Repeat("x", 5*i)...)
		if i == 3 {
			m.Header.Set("Nats-Msg-Id", "m3")
		}
		_, err := js.PublishMsg(f.Context(), m)
		require.NoError(f, err)
	}
	_, err = js.CreateStream(f.Context(), jetstream.StreamConfig{Name: "other", Subjects: []string{"other.>"}, Storage: jetstream.FileStorage})
	require.NoError(f, err)
	for _, text := range []string{"first", "second", "third"} {
		_, err := js.Publish(f.Context(), "other."+text, []byte(text))
		require.NoError(f, err)
	}
	stream, err := js.Stream(f.Context(), "other")
	require.NoError(f, err)
	require.NoError(f, stream.DeleteMsg(f.Context(), 2))
	nc.Close()
	s.Stop()
	read := func(stream string) []byte {
		data, err := os.ReadFile(filepath.Join(dir, "nats/jetstream/$G/streams", stream, "msgs/1.blk"))
		require.NoError(f, err)
		return data
	}
	return read(subjects.StreamLog), read("other")
}

// taken are the records and the damage of a block as the scan has them.
type taken struct {
	seqs  []uint64 // of whole records of the front that nothing is wrong with
	whole int      // bytes of that front
	last  uint64   // sequence at its end
}

// front reads the records of a block up to the first that is not whole, without the scan.
func front(t testing.TB, stream string, data []byte) (out taken) {
	t.Helper()
	b, err := newBlock(stream, 1, data)
	require.NoError(t, err)
	for out.whole < len(data) {
		r, ok := b.read(data, out.whole)
		if !ok {
			break
		}
		require.Greater(t, r.end(), out.whole, "a record takes room")
		require.LessOrEqual(t, r.end(), len(data))
		if !r.tombstone {
			out.seqs = append(out.seqs, r.seq)
			out.last = max(out.last, r.seq)
		}
		out.whole = r.end()
	}
	return out
}

// look is a scan of a single block, the last of its stream.
func look(t *testing.T, stream string, data []byte, seen *watermark) (*streamScan, *blockFile) {
	t.Helper()
	s := &streamScan{
		name: stream, seen: seen, purged: map[uint64]bool{},
		dense: stream == subjects.StreamLog || stream == subjects.StreamHub,
	}
	f := &blockFile{path: "1.blk", index: 1}
	s.files = append(s.files, f)
	require.NoError(t, s.scan(f, data, true))
	s.end()
	s.forgive()
	return s, f
}

// fuzzStreams are streams whose damage is marked in different ways.
var fuzzStreams = []string{subjects.StreamLog, subjects.StreamHub, "other"}

// Whatever is in a block, looking through it ends, changes nothing of it, and takes every whole record at its front for what
// it is; once notes stand in the place of what is lost, all of it is known and nothing is found again.
func FuzzBlock(f *testing.F) {
	log, other := writtenBlocks(f)
	hub := otherStream(f, log, subjects.StreamHub)
	for i, block := range [][]byte{log, hub, other} {
		n := len(front(f, fuzzStreams[i], block).seqs)
		require.Positive(f, n)
		require.Equal(f, len(block), front(f, fuzzStreams[i], block).whole)
		last := uint64(n)
		for cut := range 4 {
			f.Add(block[:len(block)-7*cut], uint8(i), last)
			f.Add(block[40*cut:], uint8(i), last)
			f.Add(block, uint8(i), last+uint64(cut))
		}
		f.Add(append(bytes.Clone(block), block...), uint8(i), uint64(2))
		f.Add(append(bytes.Clone(block), make([]byte, 100)...), uint8(i), last+3)
		f.Add(slices.Concat(block[:60], make([]byte, 80), block[140:]), uint8(i), last)
		b, err := newBlock(fuzzStreams[i], 1, block)
		require.NoError(f, err)
		first, ok := b.read(block, 0)
		require.True(f, ok)
		second, ok := b.read(block, first.end())
		require.True(f, ok)
		short := bytes.Clone(block[first.end():]) // a record is gone, and the one behind it is damaged
		short[second.len-blockHash] ^= 6
		f.Add(short, uint8(i), last)
		for at := range 40 {
			bent := bytes.Clone(block)
			bent[at*len(block)/40] ^= 1 << (at % 8)
			f.Add(bent, uint8(i), last)
		}
	}
	require.Len(f, front(f, subjects.StreamLog, log).seqs, fuzzRecords)
	f.Add([]byte{}, uint8(0), uint64(0))
	f.Add(append([]byte("8\x00\x00\x000000000000000000\x1a\x00"), bytes.Repeat([]byte("0"), 60)...), uint8(1), uint64(6)) // a sequence far away
	f.Fuzz(func(t *testing.T, data []byte, which uint8, upto uint64) {
		if len(data) > 4096 || upto > 1<<40 {
			return
		}
		stream := fuzzStreams[int(which)%len(fuzzStreams)]
		before := bytes.Clone(data)
		head := front(t, stream, data)
		seen := &watermark{First: 1, Last: upto}
		s, file := look(t, stream, data, seen)
		require.Equal(t, before, data, "what is looked at stays as it is")
		at := 0
		for _, p := range file.parts {
			require.LessOrEqual(t, at, p.at, "parts follow each other")
			require.LessOrEqual(t, p.at, p.end)
			require.LessOrEqual(t, p.end, len(data))
			require.True(t, p.at == p.end || p.at >= head.whole, "whole records are not damage: %v", p.Note)
			require.LessOrEqual(t, p.First, p.Last)
			require.Less(t, p.Last, uint64(1)<<42, "a sequence that garbage gives is believed")
			if p.Last-p.First > 1<<16 {
				return // to look at each of them again takes long
			}
			at = p.end
			if stream != subjects.StreamLog && p.First > 0 { // the server says of erased records that they are deleted
				seen.Purged = append(seen.Purged, [2]uint64{p.First, p.Last})
			}
		}
		require.GreaterOrEqual(t, s.last, max(head.last, upto), "no sequence is given away again")
		marked, err := file.marked(stream, data)
		require.NoError(t, err)
		if stream == subjects.StreamLog {
			nothingIsSilent(t, marked)
		}
		again, found := look(t, stream, marked, seen)
		require.Empty(t, found.parts, "what was marked is found again")
		require.Equal(t, s.last, again.last)
	})
}

// nothingIsSilent checks that in a block of the run log each sequence is that of a record or in a note.
func nothingIsSilent(t *testing.T, data []byte) {
	t.Helper()
	b, err := newBlock(subjects.StreamLog, 1, data)
	require.NoError(t, err)
	next := uint64(1)
	for at := 0; at < len(data); {
		r, ok := b.read(data, at)
		if !ok {
			return // what was being written when the process ended
		}
		first := r.seq
		if n, ok := damage.Read(r.payload); ok && n.First > 0 {
			first = n.First
		}
		require.LessOrEqual(t, first, next, "a sequence is neither there nor told of")
		next, at = max(next, r.seq+1), r.end()
	}
}

// otherStream is a block with the same records as one of the run log, as the server would write it for another stream.
func otherStream(f *testing.F, log []byte, stream string) (out []byte) {
	f.Helper()
	from, err := newBlock(subjects.StreamLog, 1, log)
	require.NoError(f, err)
	to, err := newBlock(stream, 1, nil)
	require.NoError(f, err)
	for at := 0; at < len(log); {
		r, ok := from.read(log, at)
		require.True(f, ok)
		out = append(out, to.record(r.seq, r.time, string(r.subject), r.payload)...)
		at = r.end()
	}
	return out
}
