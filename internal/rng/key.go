package rng

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
)

// domain separates these keys from other uses of the same hash. Changing it changes every result of every run.
const domain = "myriad/rng/1\x00"

// Key is a seed and a purpose: the source of all draws made for that purpose. Draws under different purposes are
// independent of each other. The zero Key is the key of no seed; use NewKey.
type Key struct {
	draws  [2]uint32 // for the draws themselves
	derive [2]uint32 // for keys derived from this one, so that they share no counter with the draws
}

// NewKey is the key of a seed and a purpose, for instance NewKey(7, "levelk/level").
func NewKey(seed uint64, purpose string) Key {
	text := make([]byte, 0, len(domain)+8+len(purpose))
	text = append(text, domain...)
	text = binary.BigEndian.AppendUint64(text, seed)
	text = append(text, purpose...)
	sum := sha256.Sum256(text)
	word := func(i int) uint32 { return binary.BigEndian.Uint32(sum[4*i:]) }
	return Key{draws: [2]uint32{word(0), word(1)}, derive: [2]uint32{word(2), word(3)}}
}

// Uint64 is 64 random bits for a draw. Attempt is the logical attempt: a transport retry must not advance it. Draw
// numbers the draws that share the rest; draws 0 and 1 are the cheapest.
func (k Key) Uint64(agent uint64, round, attempt, draw uint32) uint64 {
	// Agent, round and attempt fill the 128 bits of the counter, which yields two draws; further ones get a key each.
	key := k.draws
	if page := draw >> 1; page > 0 {
		key = k.page(page)
	}
	w := philox([4]uint32{uint32(agent), uint32(agent >> 32), round, attempt}, key)
	if draw&1 == 0 {
		return uint64(w[0])<<32 | uint64(w[1])
	}
	return uint64(w[2])<<32 | uint64(w[3])
}

// Float64 is a random number in [0,1) for a draw, a multiple of 2^-53.
func (k Key) Float64(agent uint64, round, attempt, draw uint32) float64 {
	return float64(k.Uint64(agent, round, attempt, draw)>>11) * 0x1p-53
}

// IntN is a random integer in [0,n) for a draw. No value is more likely than another by more than n in 2^64. It is 0
// for n below 1.
func (k Key) IntN(n int, agent uint64, round, attempt, draw uint32) int {
	if n < 1 {
		return 0
	}
	hi, _ := bits.Mul64(k.Uint64(agent, round, attempt, draw), uint64(n))
	return int(hi)
}

// page is the Philox key of the draws 2*n and 2*n+1.
func (k Key) page(n uint32) [2]uint32 {
	w := philox([4]uint32{n, 0, 0, 0}, k.derive)
	return [2]uint32{w[0], w[1]}
}
