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

func sumText(s string) textSum {
	full := sha256.Sum256([]byte(s))
	return textSum(full[:16])
}

// digestRoot hashes the answers of a round: for each block of agents the (round, agent, question, status, canonical
// value, text hash) of every answer in order of agent and question, then the block hashes in order.
func digestRoot(round int, columns []*stats.Column, texts [][]textSum) []byte {
	root := sha256.New()
	if len(columns) == 0 {
		return root.Sum(nil)
	}
	agents := len(columns[0].Status)
	const row = 8 + 8 + 2 + 1 + 8 + 16
	buf := make([]byte, 0, digestBlock*len(columns)*row)
	for first := 0; first < agents; first += digestBlock {
		buf = buf[:0]
		for agent := first; agent < min(first+digestBlock, agents); agent++ {
			for q, col := range columns {
				buf = binary.BigEndian.AppendUint64(buf, uint64(round))
				buf = binary.BigEndian.AppendUint64(buf, uint64(agent))
				buf = binary.BigEndian.AppendUint16(buf, uint16(q)) //nolint:gosec // a turn has far fewer questions
				buf = append(buf, byte(col.Status[agent]))
				buf = binary.BigEndian.AppendUint64(buf, uint64(col.Values[agent])) //nolint:gosec // two's complement on purpose
				buf = append(buf, texts[q][agent][:]...)
			}
		}
		sum := sha256.Sum256(buf)
		root.Write(sum[:])
	}
	return root.Sum(nil)
}

// digestChain continues the chain of round roots; the chain after the last round is the result hash.
func digestChain(previous, root []byte) []byte {
	h := sha256.New()
	h.Write(previous)
	h.Write(root)
	return h.Sum(nil)
}
