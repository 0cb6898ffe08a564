package agenthost

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/myriad-sim/myriad/internal/llm"
)

// hasher identifies what agents with the same shared system prompt are asked. It is used by one goroutine.
type hasher struct {
	buf    []byte // the system prompt, and behind it the messages of one agent
	system int    // length of the former
}

func newHasher(system string) *hasher {
	h := &hasher{}
	if system != "" {
		h.add(llm.RoleSystem, system)
	}
	h.system = len(h.buf)
	return h
}

// sum is the first 8 bytes, big endian, of the SHA-256 of the system prompt, shared or not, and all that follows.
func (h *hasher) sum(messages []llm.Message) uint64 {
	h.buf = h.buf[:h.system]
	for i := range messages {
		h.add(messages[i].Role, messages[i].Content)
	}
	sum := sha256.Sum256(h.buf)
	return binary.BigEndian.Uint64(sum[:8])
}

func (h *hasher) add(role, content string) {
	h.buf = append(append(h.buf, role...), 0)
	h.buf = append(append(h.buf, content...), 0)
}
