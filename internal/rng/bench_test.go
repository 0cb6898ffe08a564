package rng

import "testing"

func BenchmarkUint64(b *testing.B) {
	k := NewKey(1, "bench")
	var sink, i uint64
	for b.Loop() {
		sink += k.Uint64(i, 1, 0, 0)
		i++
	}
	_ = sink
}

func BenchmarkPermAt(b *testing.B) {
	p := NewKey(1, "bench").Perm(1_000_000)
	var sink, i uint64
	for b.Loop() {
		sink += p.At(i % 1_000_000)
		i++
	}
	_ = sink
}
