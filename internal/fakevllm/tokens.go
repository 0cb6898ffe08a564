package fakevllm

import (
	"encoding/binary"
	"math/bits"
)

// The tokenizer: 4 bytes are a token, counted anew in each message; a message costs messageTokens on top, and the place
// where the answer will stand answerTokens. So a prompt never has more tokens than bytes, plus 8 a message, plus 16.
const (
	bytesPerToken = 4
	messageTokens = 4
	answerTokens  = 3
	blockTokens   = 16
)

func textTokens(n int) int { return (n + bytesPerToken - 1) / bytesPerToken }

// mix folds x into a hash.
func mix(h, x uint64) uint64 {
	hi, lo := bits.Mul64(h^0x9e3779b97f4a7c15, x^0xd6e8feb86659fd93)
	return hi ^ lo ^ h
}

// hashText is a hash of a text, the same in every process.
func hashText(s string) uint64 {
	c := chain{}
	c.text([]byte(s))
	return mix(c.hash, uint64(len(s)))
}

// chain goes over the tokens of a prompt. Its hash covers everything so far; after every blockTokens tokens the hash at
// that place is the name of a block, so that two prompts share the blocks of what they begin with in common.
type chain struct {
	hash   uint64
	tokens int
	blocks []uint64
}

func (c *chain) token(id uint64) {
	c.hash = mix(c.hash, id)
	if c.tokens++; c.tokens%blockTokens == 0 {
		c.blocks = append(c.blocks, c.hash)
	}
}

func (c *chain) text(b []byte) {
	for len(b) >= bytesPerToken {
		c.token(uint64(binary.LittleEndian.Uint32(b)) | bytesPerToken<<32)
		b = b[bytesPerToken:]
	}
	if len(b) > 0 {
		var tail [bytesPerToken]byte
		copy(tail[:], b)
		c.token(uint64(binary.LittleEndian.Uint32(tail[:])) | uint64(len(b))<<32)
	}
}

// Special tokens have ids that no text has.
const special = uint64(1) << 40

func roleToken(role string) uint64 { return special | uint64(role[0])<<8 | uint64(len(role)) }

// prompt goes over a conversation.
func (c *chain) prompt(messages []message) {
	for i := range messages {
		m := &messages[i]
		c.token(special | 1) // a message begins
		c.token(roleToken(m.role))
		c.token(special | 2) // its text begins
		for k := range m.media {
			c.token(mix(m.about, uint64(k)) | special)
		}
		c.text(m.text)
		c.token(special | 3) // it ends
	}
	c.token(special | 1)
	c.token(roleToken("assistant"))
	c.token(special | 2)
}
