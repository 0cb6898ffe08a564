package bus

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/myriad-sim/myriad/internal/damage"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// part is a place in a block where something is lost: the bytes from at to end, or nothing but a hole in the sequence.
type part struct {
	damage.Note
	at, end int
	time    uint64 // of the record, or of the one before
}

// blockFile is a block with what is lost in it.
type blockFile struct {
	path  string
	index int
	size  int
	parts []part
}

// streamScan goes through the blocks of a stream in their order.
type streamScan struct {
	name   string
	seen   *watermark // nil: it is not known how far the stream went
	dense  bool       // nothing is ever deleted but by a purge, so a hole is damage
	last   uint64     // sequence of the last record that is there, or was
	time   uint64     // of the last record
	files  []*blockFile
	notes  []damage.Note   // of damage found before
	purged map[uint64]bool // by tombstones
}

// scanStream looks through the blocks of a stream, whose store is at dir.
func scanStream(ctx context.Context, name, dir string, seen *watermark) (*streamScan, error) {
	s := &streamScan{
		name: name, seen: seen, purged: map[uint64]bool{},
		dense: name == subjects.StreamLog || name == subjects.StreamHub,
	}
	if seen != nil && seen.First > 0 {
		s.last = seen.First - 1
	}
	entries, err := os.ReadDir(filepath.Join(dir, "msgs"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, dataDirError(dir, err)
	}
	for _, e := range entries {
		number, isBlock := strings.CutSuffix(e.Name(), ".blk")
		if index, err := strconv.Atoi(number); isBlock && err == nil {
			s.files = append(s.files, &blockFile{path: filepath.Join(dir, "msgs", e.Name()), index: index})
		}
	}
	slices.SortFunc(s.files, func(a, b *blockFile) int { return cmp.Compare(a.index, b.index) })
	var buf []byte
	for i, f := range s.files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if buf, err = readInto(buf, f.path); err != nil {
			return nil, dataDirError(f.path, err)
		}
		if err := s.scan(f, buf, i == len(s.files)-1); err != nil {
			return nil, err
		}
	}
	s.end()
	s.forgive()
	return s, nil
}

// readInto reads a file into a buffer, which it makes larger if it must.
func readInto(buf []byte, path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return buf, err
	}
	defer f.Close() //nolint:errcheck // only read
	info, err := f.Stat()
	if err != nil {
		return buf, err
	}
	buf = slices.Grow(buf[:0], int(info.Size()))[:info.Size()]
	n, err := f.ReadAt(buf, 0)
	if n == len(buf) {
		err = nil
	}
	return buf[:n], err
}

// scan looks through one block.
func (s *streamScan) scan(f *blockFile, data []byte, last bool) error {
	b, err := newBlock(s.name, f.index, data)
	if err != nil {
		return err
	}
	f.size = len(data)
	for at := 0; at < len(data); {
		r, ok := b.read(data, at)
		if ok {
			s.record(f, r)
			at = r.end()
			continue
		}
		end := b.next(at+1, s.last)
		upto := uint64(0)
		if after, ok := b.head(data, end); ok && !after.tombstone {
			upto = after.seq - 1
		}
		s.bad(f, b, at, end, upto, last && end == len(data))
		at = end
	}
	return nil
}

// record takes in a whole record.
func (s *streamScan) record(f *blockFile, r stored) {
	if r.tombstone {
		s.purged[r.seq] = true
		return
	}
	if r.seq <= s.last {
		return // written again by the server; the first counts
	}
	first := s.last + 1
	if note, ok := damage.Read(r.payload); ok && !r.erased {
		s.notes = append(s.notes, note)
		if note.First > 0 {
			first = max(first, note.Last+1)
		}
	}
	if s.dense && first < r.seq {
		s.hole(f, r.at, first, r.seq-1)
	}
	s.last, s.time = r.seq, r.time
}

// hole notes that sequences are missing before the record at a place.
func (s *streamScan) hole(f *blockFile, at int, first, last uint64) {
	f.parts = append(f.parts, part{at: at, end: at, time: s.time, Note: damage.Note{
		Stream: s.name, Block: filepath.Base(f.path), Offset: int64(at), First: first, Last: last,
		What: "nothing is stored where they were",
	}})
}

// bad notes what is lost in the bytes from at to end. Records up to the sequence upto may have been there; 0: nobody knows.
func (s *streamScan) bad(f *blockFile, b *block, at, end int, upto uint64, tail bool) {
	for at < end {
		what := "a bit of its length, sequence, time or subject is flipped"
		r, ok := b.mend(at)
		if !ok {
			what = "its bytes do not have the checksum it was stored with"
			r, ok = b.head(b.data, at)
			ok = ok && !r.tombstone && !r.erased && b.plausible(r)
		}
		p := part{at: at, end: r.end(), time: r.time, Note: damage.Note{
			First: r.seq, Last: r.seq, Subject: string(r.subject), What: what,
		}}
		if !ok || r.end() > end || r.seq <= s.last || r.seq-s.last > longestGap || upto > 0 && r.seq > upto {
			p = part{at: at, end: end, time: s.time, Note: b.remains(at, s.last, upto)}
		}
		if tail && s.torn() {
			return
		}
		if s.dense && s.last+1 < p.First {
			s.hole(f, p.at, s.last+1, p.First-1)
		}
		at = p.end
		p.Stream, p.Block, p.Offset = s.name, filepath.Base(f.path), int64(p.at)
		s.last, s.time = max(s.last, p.Last), max(s.time, p.time)
		f.parts = append(f.parts, p)
	}
}

// torn reports whether what cannot be read at the end of the last block is a record that was being written when the
// process ended: nobody was told that it is stored.
func (s *streamScan) torn() bool { return s.seen == nil || s.last >= s.seen.Last }

// plausible reports whether a record's subject is one of its stream, as far as that can be told.
func (b *block) plausible(r stored) bool {
	if b.log {
		_, err := subjects.ParseLog(string(r.subject))
		return err == nil
	}
	return len(r.subject) > 0
}

// remains says what bytes are that cannot be taken apart: records after last and up to upto; 0: up to nobody knows where.
func (b *block) remains(at int, last, upto uint64) damage.Note {
	if upto == 0 && at+blockHead <= len(b.data) {
		head, rest := b.data[at:], b.data[at+blockHead:]
		n := int(binary.LittleEndian.Uint16(head[20:]))
		if n <= len(rest) && binary.LittleEndian.Uint64(head[4:]) == last+1 && b.plausible(stored{subject: rest[:n]}) {
			return damage.Note{First: last + 1, Last: last + 1, Subject: string(rest[:n]), What: "the file breaks off within it"}
		}
	}
	note := damage.Note{First: last + 1, Last: max(last+1, upto), What: "the bytes there are no record"}
	if upto != 0 && upto <= last {
		note.First, note.Last = 0, 0 // nothing is lost, they stand between records that follow each other
	}
	return note
}

// end looks whether the stream goes as far as it is known to have gone.
func (s *streamScan) end() {
	if s.seen == nil || s.last >= s.seen.Last || len(s.files) == 0 {
		return
	}
	f := s.files[len(s.files)-1]
	at := f.size
	if n := len(f.parts); n > 0 && f.parts[n-1].end == f.size {
		at = f.parts[n-1].end
	}
	f.parts = append(f.parts, part{at: at, end: f.size, time: s.time, Note: damage.Note{
		Stream: s.name, Block: filepath.Base(f.path), Offset: int64(at), First: s.last + 1, Last: s.seen.Last,
		What: "the file ends before them, though they were stored",
	}})
	s.last = s.seen.Last
}

// forgive takes those holes out that a purge left.
func (s *streamScan) forgive() {
	for _, f := range s.files {
		f.parts = slices.DeleteFunc(f.parts, func(p part) bool {
			if p.at != p.end || p.Last-p.First > uint64(len(s.purged))+s.seen.purged() {
				return false
			}
			for seq := p.First; seq <= p.Last; seq++ {
				if !s.purged[seq] && !s.seen.isPurged(seq) {
					return false
				}
			}
			return true
		})
	}
}

// found lists what is lost, with what was found before.
func (s *streamScan) found() []damage.Note {
	notes := slices.Clone(s.notes)
	for _, f := range s.files {
		for _, p := range f.parts {
			notes = append(notes, p.Note)
		}
	}
	return notes
}

// errGone says that a stream is not there at all.
func errGone(name string, seen *watermark) error {
	return fmt.Errorf("%w: stream %s is gone, though %d records of it were stored; restore the directory from a backup",
		ErrStoreDamaged, name, seen.Last)
}
