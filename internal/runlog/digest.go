package runlog

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/myriad-sim/myriad/internal/stats"
)

// digestBlock is the number of consecutive agents hashed together. It is part of the result hash and has nothing to do
// with the shard size of a run.
const digestBlock = 1024

// textSum identifies a reply: the first 16 bytes of its SHA-256.
type textSum [16]byte

func sumText(reply []byte) textSum {
	full := sha256.Sum256(reply)
	return textSum(full[:16])
}

// digest hashes the answers of a round: for each block of agents the (round, agent, question, status, canonical value,
// text hash) of every answer in order of agent and question, then the block hashes in order. A block is hashed as soon as
// its last answer is in, while the rest of the round is still being asked, so that closing a round has nothing to wait for.
type digest struct {
	round   int
	columns []*stats.Column // the fold's
	texts   []textSum       // of agent a to question q: a*len(columns) + q
	left    []int           // answers to come, by block
	sums    [][sha256.Size]byte
	buf     []byte
}

const digestRow = 8 + 8 + 2 + 1 + 8 + 16

func newDigest(columns []*stats.Column, agents int) *digest {
	blocks := (agents + digestBlock - 1) / digestBlock
	return &digest{
		columns: columns, texts: make([]textSum, agents*len(columns)), left: make([]int, blocks), sums: make([][sha256.Size]byte, blocks),
		buf: make([]byte, min(agents, digestBlock)*len(columns)*digestRow),
	}
}

// open begins a round. What is left in texts is overwritten before it is read.
func (d *digest) open(round int) {
	d.round = round
	agents := len(d.columns[0].Status)
	for i := range d.left {
		d.left[i] = (min(agents, (i+1)*digestBlock) - i*digestBlock) * len(d.columns)
	}
}

// add takes in an accepted answer, whose status and value are in the columns already.
func (d *digest) add(question, agent int, reply []byte) {
	d.texts[agent*len(d.columns)+question] = sumText(reply)
	block := agent / digestBlock
	if d.left[block]--; d.left[block] == 0 {
		d.sums[block] = d.block(block)
	}
}

func (d *digest) block(block int) [sha256.Size]byte {
	asked := len(d.columns)
	first := block * digestBlock
	end := min(first+digestBlock, len(d.columns[0].Status))
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
			copy(row[27:], d.texts[agent*asked+q][:])
			at += asked * digestRow
		}
	}
	return sha256.Sum256(buf)
}

// root is the digest of the round, all of whose answers must be in.
func (d *digest) root() []byte {
	h := sha256.New()
	for i := range d.sums {
		h.Write(d.sums[i][:])
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
