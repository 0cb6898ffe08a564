package runlog

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"

	"github.com/myriad-sim/myriad/internal/stats"
)

// digestBlock is the number of consecutive agents hashed together. It is part of the result hash and has nothing to do
// with the shard size of a run.
const digestBlock = 1024

// textSum identifies a reply: the first 16 bytes of its SHA-256.
type textSum [16]byte

// digest hashes the answers of a round: for each block of agents the (round, agent, question, status, canonical value,
// text hash) of every answer in order of agent and question, then the block hashes in order. A block is hashed as soon as
// its last answer is in, while the rest of the round is still being asked, so that closing a round has nothing to wait for.
// The hashes of texts are kept from the first answer of a block to that moment, and no longer.
type digest struct {
	round   int
	columns []*stats.Column // the fold's
	blocks  []block
	spare   [][]textSum // of blocks that are through
	buf     []byte
	text    hash.Hash // one for all texts: to make one anew takes a tenth of hashing a short text
	sum     [sha256.Size]byte
}

// block is how far a block of agents is.
type block struct {
	left  int       // answers to come
	texts []textSum // of the block's agent a to question q: a*len(columns) + q; nil before the first answer and after the last
	sum   [sha256.Size]byte
}

const digestRow = 8 + 8 + 2 + 1 + 8 + 16

func newDigest(columns []*stats.Column, agents int) *digest {
	return &digest{
		columns: columns, blocks: make([]block, (agents+digestBlock-1)/digestBlock),
		buf: make([]byte, min(agents, digestBlock)*len(columns)*digestRow), text: sha256.New(),
	}
}

// open begins a round.
func (d *digest) open(round int) {
	d.round = round
	for i := range d.blocks {
		first, end := d.agents(i)
		d.release(i)
		d.blocks[i].left = (end - first) * len(d.columns)
	}
}

// agents are the agents of a block: first included, end not.
func (d *digest) agents(i int) (first, end int) {
	first = i * digestBlock
	return first, min(first+digestBlock, len(d.columns[0].Status))
}

// add takes in an accepted answer, whose status and value are in the columns already, and reports whether it was the last
// of its block.
func (d *digest) add(question, agent int, reply []byte) (through bool) {
	i := agent / digestBlock
	b := &d.blocks[i]
	if b.texts == nil {
		b.texts = d.room()
	}
	d.text.Reset()
	d.text.Write(reply)
	b.texts[agent%digestBlock*len(d.columns)+question] = textSum(d.text.Sum(d.sum[:0]))
	if b.left--; b.left > 0 {
		return false
	}
	b.sum = d.block(i)
	d.release(i)
	return true
}

// room is space for the text hashes of a block, whatever is in it.
func (d *digest) room() []textSum {
	n := len(d.spare)
	if n == 0 {
		return make([]textSum, digestBlock*len(d.columns))
	}
	texts := d.spare[n-1]
	d.spare = d.spare[:n-1]
	return texts
}

func (d *digest) release(i int) {
	if b := &d.blocks[i]; b.texts != nil {
		d.spare = append(d.spare, b.texts)
		b.texts = nil
	}
}

func (d *digest) block(i int) [sha256.Size]byte {
	asked, texts := len(d.columns), d.blocks[i].texts
	first, end := d.agents(i)
	buf := d.buf[:(end-first)*asked*digestRow]
	for q, col := range d.columns {
		at := q * digestRow
		for agent := first; agent < end; agent++ {
			row := buf[at : at+digestRow : at+digestRow]
			binary.BigEndian.PutUint64(row[0:], uint64(d.round)) //nolint:gosec // rounds count from 1
			binary.BigEndian.PutUint64(row[8:], uint64(agent))   //nolint:gosec // agents count from 0
			binary.BigEndian.PutUint16(row[16:], uint16(q))      //nolint:gosec // a turn has far fewer questions
			row[18] = byte(col.Status[agent])
			binary.BigEndian.PutUint64(row[19:], uint64(col.Values[agent])) //nolint:gosec // two's complement on purpose
			copy(row[27:], texts[(agent-first)*asked+q][:])
			at += asked * digestRow
		}
	}
	return sha256.Sum256(buf)
}

// root is the digest of the round, all of whose answers must be in.
func (d *digest) root() []byte {
	h := sha256.New()
	for i := range d.blocks {
		h.Write(d.blocks[i].sum[:])
	}
	return h.Sum(nil)
}

// digestChain continues the chain of round roots; the chain after the last round is the result hash.
func digestChain(previous, root []byte) []byte {
	h := sha256.New()
	h.Write(previous)
	h.Write(root)
	return h.Sum(nil)
}
