package bus

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/minio/highwayhash"

	"github.com/myriad-sim/myriad/internal/damage"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// The server stores a stream in numbered files, blocks, each a row of records:
//
//	length 4 | sequence 8 | time 8 | subject length 2 | subject | [header length 4 | header] | payload | hash 8
//
// Numbers are little endian. The top bit of the length says that there is a header, the two top bits of the sequence that
// the record is a tombstone of another, or was erased. The hash, keyed by stream and block, covers sequence, time, subject,
// header and payload; not the three lengths.
const (
	blockHead    = 22
	blockHash    = 8
	headerBit    = 1 << 31
	tombstoneBit = 1 << 62
	erasedBit    = 1 << 63
	// longestRecord is the length from which the server calls a record damaged.
	longestRecord = 32 << 20
	// longestGap is how far a sequence is from the one before at most, to be believed without a hash.
	longestGap = 1 << 32
)

// stored is a record in a block.
type stored struct {
	at, len   int // in the file
	seq       uint64
	time      uint64
	tombstone bool
	erased    bool
	subject   []byte
	payload   []byte // without the header
}

// end is where the next record begins.
func (r stored) end() int { return r.at + r.len }

// block is a block file in memory.
type block struct {
	log  bool // of the run log
	data []byte
	hash *highwayhash.Digest64
	sum  [highwayhash.Size64]byte
}

func newBlock(stream string, index int, data []byte) (*block, error) {
	key := sha256.Sum256(fmt.Appendf(nil, "%s-%d", stream, index))
	h, err := highwayhash.NewDigest64(key[:])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrServer, err)
	}
	return &block{log: stream == subjects.StreamLog, data: data, hash: h}, nil
}

// head reads a record whose lengths are possible, without a look at its hash.
func (b *block) head(data []byte, at int) (stored, bool) {
	if at+blockHead+blockHash > len(data) {
		return stored{}, false
	}
	h := data[at:]
	length := binary.LittleEndian.Uint32(h)
	headers := length&headerBit != 0
	length &^= headerBit
	subject := int(binary.LittleEndian.Uint16(h[20:]))
	least := blockHead + subject + blockHash
	if headers {
		least += 4
	}
	if length > longestRecord || int(length) < least || at+int(length) > len(data) {
		return stored{}, false
	}
	r := stored{at: at, len: int(length), time: binary.LittleEndian.Uint64(h[12:])}
	seq := binary.LittleEndian.Uint64(h[4:])
	r.tombstone, r.erased = seq&tombstoneBit != 0, seq&erasedBit != 0
	r.seq = seq &^ (tombstoneBit | erasedBit)
	r.subject = h[blockHead : blockHead+subject]
	r.payload = h[blockHead+subject : int(length)-blockHash]
	if headers {
		n := binary.LittleEndian.Uint32(r.payload)
		if int(n) > len(r.payload)-4 {
			return stored{}, false
		}
		r.payload = r.payload[4+n:]
	}
	return r, true
}

// read reads a record and checks it.
func (b *block) read(data []byte, at int) (stored, bool) {
	r, ok := b.head(data, at)
	if !ok {
		return r, false
	}
	rec := data[at : at+r.len]
	body := rec[blockHead : r.len-blockHash]
	b.hash.Reset()
	_, _ = b.hash.Write(rec[4:20]) // a hash takes everything
	_, _ = b.hash.Write(body[:len(r.subject)])
	rest := body[len(r.subject):]
	if binary.LittleEndian.Uint32(rec)&headerBit != 0 {
		rest = rest[4:]
	}
	_, _ = b.hash.Write(rest)
	if !bytes.Equal(b.hash.Sum(b.sum[:0]), rec[r.len-blockHash:]) {
		return r, false
	}
	return r, !b.log || b.sensible(r)
}

// sensible reports whether a record of the run log with a good hash is where its writer put it: the hash does not cover
// the length of the subject, so a flipped bit there moves the border between subject and payload unseen.
func (b *block) sensible(r stored) bool {
	if r.tombstone || r.erased {
		return true
	}
	if _, err := subjects.ParseLog(string(r.subject)); err != nil {
		return false
	}
	if damage.Is(r.payload) || len(r.payload) > 0 && r.payload[0]&0xf0 == 0x90 {
		return true
	}
	// Somebody's garbage, unless the border one bit away makes sense.
	whole := b.data[r.at+blockHead : r.end()-blockHash]
	for bit := range 16 {
		n := len(r.subject) ^ 1<<bit
		if n == 0 || n >= len(whole) || whole[n]&0xf0 != 0x90 {
			continue
		}
		if _, err := subjects.ParseLog(string(whole[:n])); err == nil {
			return false
		}
	}
	return true
}

// mend looks whether the record at a place is whole but for one bit of its lengths, sequence, time or subject, and returns
// it as it was. That tells whose record it is; the record itself is not put back.
func (b *block) mend(at int) (stored, bool) {
	h, ok := b.head(b.data, at)
	n := blockHead
	if ok {
		n += len(h.subject)
	}
	if at+n > len(b.data) {
		return stored{}, false
	}
	for bit := range n * 8 {
		place, mask := at+bit/8, byte(1)<<(bit%8)
		b.data[place] ^= mask
		r, good := b.read(b.data, at)
		if good {
			r.subject = bytes.Clone(r.subject)
		}
		b.data[place] ^= mask
		if good && r.seq != 0 {
			return r, true
		}
	}
	return stored{}, false
}

// next finds the first whole record at or after a place, with a sequence above seq; len(data) if there is none.
func (b *block) next(at int, seq uint64) int {
	for ; at+blockHead+blockHash <= len(b.data); at++ {
		if r, ok := b.head(b.data, at); !ok || !r.tombstone && (r.seq <= seq || r.seq-seq > longestGap) {
			continue
		}
		if _, ok := b.read(b.data, at); ok {
			return at
		}
	}
	return len(b.data)
}

// record encodes a record. Its length is blockHead + blockHash + those of subject and payload.
func (b *block) record(seq, time uint64, subject string, payload []byte) []byte {
	out := make([]byte, blockHead, blockHead+len(subject)+len(payload)+blockHash)
	binary.LittleEndian.PutUint32(out, uint32(cap(out))) //nolint:gosec // of at most longestRecord
	binary.LittleEndian.PutUint64(out[4:], seq)
	binary.LittleEndian.PutUint64(out[12:], time)
	binary.LittleEndian.PutUint16(out[20:], uint16(len(subject))) //nolint:gosec // subjects are short
	out = append(append(out, subject...), payload...)
	b.hash.Reset()
	_, _ = b.hash.Write(out[4:20])
	_, _ = b.hash.Write(out[blockHead:])
	return b.hash.Sum(out)
}
