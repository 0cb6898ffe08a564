package agenthost

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/myriad-sim/myriad/internal/llm"
)

// hasher identifies what agents with the same shared system prompt are asked: each role and content with a zero behind it.
// It is used by one goroutine.
type hasher struct {
	buf     []byte // the system prompt, and behind it the messages of one agent
	system  int    // length of the former
	message int    // where the last message begins
}

// begin is called before the first agent.
func (h *hasher) begin(system string) {
	h.buf = h.buf[:0]
	if system != "" {
		h.role(llm.RoleSystem)
		h.buf = append(append(h.buf, system...), 0)
	}
	h.system = len(h.buf)
}

// next begins with another agent.
func (h *hasher) next() { h.buf = h.buf[:h.system] }

func (h *hasher) role(role string) {
	h.message = len(h.buf)
	h.buf = append(append(h.buf, role...), 0)
}

func (h *hasher) content(text []byte) { h.buf = append(append(h.buf, text...), 0) }

// cancel takes the last role back.
func (h *hasher) cancel() { h.buf = h.buf[:h.message] }

// sum is the first 8 bytes, big endian, of the SHA-256 of the system prompt, shared or not, and all that follows.
func (h *hasher) sum() uint64 {
	sum := sha256.Sum256(h.buf)
	return binary.BigEndian.Uint64(sum[:8])
}
