package rng

// Constants of Philox4x32: two multipliers and the two steps of the key.
const (
	mul0  = 0xD2511F53
	mul1  = 0xCD9E8D57
	step0 = 0x9E3779B9
	step1 = 0xBB67AE85

	philoxRounds = 10
)

// philox turns a counter into four random words under a key. For a fixed key it is a bijection.
func philox(c [4]uint32, k [2]uint32) [4]uint32 {
	// Scalars rather than the arrays: the compiler keeps them in registers.
	c0, c1, c2, c3, k0, k1 := c[0], c[1], c[2], c[3], k[0], k[1]
	for range philoxRounds {
		p0, p1 := uint64(mul0)*uint64(c0), uint64(mul1)*uint64(c2)
		c0, c1, c2, c3 = uint32(p1>>32)^c1^k0, uint32(p1), uint32(p0>>32)^c3^k1, uint32(p0)
		k0 += step0
		k1 += step1
	}
	return [4]uint32{c0, c1, c2, c3}
}
