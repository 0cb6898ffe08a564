package rng

import "math/bits"

const (
	// permSteps is the number of Feistel steps.
	permSteps = 8
	// minWidth is the least number of bits that are permuted, however small n is: steps on halves of one or two bits
	// favour some orders. The tests check that all orders of a few elements are equally likely.
	minWidth = 8
)

// Perm is a random order of the numbers below n, computed one number at a time in constant memory. It is a value: copy
// it and use it from any goroutine.
type Perm struct {
	n           uint64
	left, right int // bits of the two halves; left is the same as right or one less
	keys        [permSteps]uint64
}

// Perm is the random order of the numbers below n that belongs to this key.
func (k Key) Perm(n uint64) Perm {
	p := Perm{n: n}
	if n < 2 {
		return p
	}
	width := max(minWidth, bits.Len64(n-1))
	p.left = width / 2
	p.right = width - p.left
	for i := range p.keys {
		// The last counter word keeps these apart from the keys of pages.
		w := philox([4]uint32{uint32(n), uint32(n >> 32), uint32(i), 1}, k.derive)
		p.keys[i] = uint64(w[0])<<32 | uint64(w[1])
	}
	return p
}

// At is the number at place i. Over all i below n every number below n occurs once. From n on, At(i) is i.
func (p Perm) At(i uint64) uint64 {
	if i >= p.n || p.n < 2 {
		return i
	}
	// The steps permute the numbers below a power of two. Walking on until one below n comes up makes that a permutation
	// of the numbers below n; the walk ends because its cycle leads back to i.
	for {
		if i = p.step(i); i < p.n {
			return i
		}
	}
}

// step permutes the numbers of left+right bits.
func (p *Perm) step(i uint64) uint64 {
	l, r := i>>p.right, i&(1<<p.right-1)
	lmask, rmask := uint64(1)<<p.left-1, uint64(1)<<p.right-1
	for s := 0; s < permSteps; s += 2 {
		l ^= scramble(r^p.keys[s]) & lmask
		r ^= scramble(l^p.keys[s+1]) & rmask
	}
	return l<<p.right | r
}

// scramble spreads every bit of x over all bits (the finaliser of splitmix64).
func scramble(x uint64) uint64 {
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}
