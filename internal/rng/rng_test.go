package rng

import (
	"math"
	"math/bits"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The known answers are those of the Random123 distribution (kat_vectors).
func TestPhiloxKnownAnswers(t *testing.T) {
	for _, v := range []struct {
		counter [4]uint32
		key     [2]uint32
		want    [4]uint32
	}{
		{
			want: [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
		},
		{
			counter: [4]uint32{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
			key:     [2]uint32{0xffffffff, 0xffffffff},
			want:    [4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
		},
		{
			counter: [4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
			key:     [2]uint32{0xa4093822, 0x299f31d0},
			want:    [4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1},
		},
	} {
		require.Equal(t, v.want, philox(v.counter, v.key))
	}
}

// Results of runs are promised to repeat, so the draws themselves are part of the contract.
func TestDrawsDoNotChange(t *testing.T) {
	k := NewKey(7, "test")
	require.EqualValues(t, 0x29631f8e0248c0ba, k.Uint64(0, 0, 0, 0))
	require.Equal(t, uint64(0xb3cb578c7b699e4f), k.Uint64(1, 2, 3, 1))
	require.EqualValues(t, 0x1987721ee2766c03, k.Uint64(1<<40, 2, 3, 2))
	require.EqualValues(t, 0x18d4604cd7c264ed, k.Uint64(1, 2, 3, 1<<31))
	require.Equal(t, 0.9515102250534935, k.Float64(5, 1, 0, 0))
	require.Equal(t, 951, k.IntN(1000, 5, 1, 0, 0))
	p := k.Perm(10)
	var order []uint64
	for i := range uint64(10) {
		order = append(order, p.At(i))
	}
	require.Equal(t, []uint64{4, 3, 9, 8, 7, 2, 0, 1, 6, 5}, order)
}

func TestEveryPartOfADrawMatters(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type draw struct {
			seed                 uint64
			purpose              string
			agent                uint64
			round, attempt, draw uint32
		}
		gen := rapid.Custom(func(t *rapid.T) draw {
			return draw{
				rapid.Uint64().Draw(t, "seed"), rapid.SampledFrom([]string{"", "a", "b", "ab"}).Draw(t, "purpose"),
				rapid.Uint64().Draw(t, "agent"), rapid.Uint32().Draw(t, "round"),
				rapid.Uint32().Draw(t, "attempt"), rapid.Uint32().Draw(t, "draw"),
			}
		})
		value := func(d draw) uint64 {
			return NewKey(d.seed, d.purpose).Uint64(d.agent, d.round, d.attempt, d.draw)
		}
		a := gen.Draw(t, "a")
		b := a
		switch other := gen.Draw(t, "b"); rapid.IntRange(0, 6).Draw(t, "part") {
		case 0:
			b.seed = other.seed
		case 1:
			b.purpose = other.purpose
		case 2:
			b.agent = other.agent
		case 3:
			b.round = other.round
		case 4:
			b.attempt = other.attempt
		case 5:
			b.draw = other.draw
		default:
			b = other
		}
		if a == b {
			require.Equal(t, value(a), value(b))
		} else {
			require.NotEqual(t, value(a), value(b))
		}
	})
}

func TestFloat64AndIntNStayInRange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := NewKey(rapid.Uint64().Draw(t, "seed"), "range")
		agent, draw := rapid.Uint64().Draw(t, "agent"), rapid.Uint32().Draw(t, "draw")
		f := k.Float64(agent, 1, 0, draw)
		require.GreaterOrEqual(t, f, 0.0)
		require.Less(t, f, 1.0)
		n := rapid.IntRange(1, math.MaxInt).Draw(t, "n")
		i := k.IntN(n, agent, 1, 0, draw)
		require.GreaterOrEqual(t, i, 0)
		require.Less(t, i, n)
		require.Zero(t, k.IntN(rapid.IntRange(math.MinInt, 0).Draw(t, "none"), agent, 1, 0, draw))
	})
}

// series names ways in which a caller moves through the counter.
var series = map[string]func(k Key, i int) float64{
	"agents":   func(k Key, i int) float64 { return k.Float64(uint64(i), 1, 0, 0) },
	"rounds":   func(k Key, i int) float64 { return k.Float64(17, uint32(i), 0, 0) },
	"attempts": func(k Key, i int) float64 { return k.Float64(17, 1, uint32(i), 0) },
	"draws":    func(k Key, i int) float64 { return k.Float64(17, 1, 0, uint32(i)) },
	"seeds":    func(_ Key, i int) float64 { return NewKey(uint64(i), "series").Float64(17, 1, 0, 0) },
}

// Mean, variance, the spread over 100 bins and the correlation of neighbours are what independent uniform draws have.
// The seed is fixed, so the bounds (five standard errors) hold always or never.
func TestDrawsAreUniformAndIndependent(t *testing.T) {
	const n, bins = 100_000, 100
	for name, at := range series {
		t.Run(name, func(t *testing.T) {
			k := NewKey(1, "uniform")
			var sum, squares, products, last float64
			counts := make([]int, bins)
			for i := range n {
				u := at(k, i)
				counts[int(u*bins)]++
				sum += u
				squares += u * u
				products += (u - 0.5) * (last - 0.5)
				last = u
			}
			mean := sum / n
			require.InDelta(t, 0.5, mean, 5*math.Sqrt(1.0/12/n))
			require.InDelta(t, 1.0/12, squares/n-mean*mean, 5*math.Sqrt(1.0/180/n))
			require.InDelta(t, 0, products/n, 5*(1.0/12)/math.Sqrt(n))
			require.InDelta(t, bins-1, chiSquare(counts, n), 5*math.Sqrt(2*(bins-1)))
		})
	}
}

func TestFlippingACounterBitFlipsHalfOfTheOutput(t *testing.T) {
	const n = 2000
	k := NewKey(3, "avalanche")
	for bit := range 64 {
		flipped := 0
		for i := range uint64(n) {
			flipped += bits.OnesCount64(k.Uint64(i, 0, 0, 0) ^ k.Uint64(i^1<<bit, 0, 0, 0))
		}
		require.InDelta(t, 32, float64(flipped)/n, 5*4/math.Sqrt(n), "agent bit %d", bit)
	}
}

func TestIntNIsEven(t *testing.T) {
	const n, sides = 60_000, 6
	k := NewKey(5, "die")
	counts := make([]int, sides)
	for i := range n {
		counts[k.IntN(sides, uint64(i), 1, 0, 0)]++
	}
	require.InDelta(t, sides-1, chiSquare(counts, n), 5*math.Sqrt(2*(sides-1)))
}

func TestPermIsABijection(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64Range(0, 5000).Draw(t, "n")
		p := NewKey(rapid.Uint64().Draw(t, "seed"), "perm").Perm(n)
		seen := make([]bool, n)
		for i := range n {
			at := p.At(i)
			require.Less(t, at, n)
			require.False(t, seen[at], "%d comes twice", at)
			seen[at] = true
		}
		beyond := rapid.Uint64Min(n).Draw(t, "beyond")
		require.Equal(t, beyond, p.At(beyond))
	})
}

// Too large to list: different places must have different numbers, all below n.
func TestPermOfLargeDomains(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64Min(1<<32).Draw(t, "n")
		p := NewKey(rapid.Uint64().Draw(t, "seed"), "perm").Perm(n)
		places := rapid.SliceOfNDistinct(rapid.Uint64Max(n-1), 2, 20, rapid.ID).Draw(t, "places")
		seen := map[uint64]bool{}
		for _, i := range places {
			at := p.At(i)
			require.Less(t, at, n)
			require.False(t, seen[at])
			seen[at] = true
		}
	})
}

// Every order of a few elements is as likely as every other, over seeds.
func TestPermPrefersNoOrder(t *testing.T) {
	for n := uint64(2); n <= 6; n++ {
		orders := 1
		for i := range int(n) {
			orders *= i + 1
		}
		draws := 20 * orders
		seen := map[[6]uint64]int{}
		for seed := range draws {
			p := NewKey(uint64(seed), "order").Perm(n)
			var order [6]uint64
			for i := range n {
				order[i] = p.At(i)
			}
			seen[order]++
		}
		counts := make([]int, 0, orders)
		for _, c := range seen {
			counts = append(counts, c)
		}
		require.Len(t, counts, orders, "n=%d", n)
		free := float64(orders - 1)
		require.InDelta(t, free, chiSquare(counts, draws), 5*math.Sqrt(2*free), "n=%d", n)
	}
}

// Where a number goes says nothing about where it came from, and neighbours are torn apart.
func TestPermOfAMillionLeavesNoTrace(t *testing.T) {
	const n, bins = 1_000_000, 10
	p := NewKey(9, "million").Perm(n)
	counts := make([]int, bins*bins)
	var neighbours, last float64
	for i := range uint64(n) {
		at := p.At(i)
		counts[int(i*bins/n)*bins+int(at*bins/n)]++
		u := float64(at)/n - 0.5
		neighbours += u * last
		last = u
	}
	free := float64((bins - 1) * (bins - 1))
	require.InDelta(t, free, chiSquare(counts, n), 5*math.Sqrt(2*free))
	require.InDelta(t, 0, neighbours/n, 5*(1.0/12)/math.Sqrt(n))
}

func TestDrawsAreTheSameInEveryThread(t *testing.T) {
	const n = 2000
	k := NewKey(11, "threads")
	p := k.Perm(n)
	var all [4][2 * n]uint64
	var wg sync.WaitGroup
	for g := range all {
		wg.Go(func() {
			for i := range uint64(n) {
				all[g][2*i], all[g][2*i+1] = p.At(i), k.Uint64(i, 1, 0, 3)
			}
		})
	}
	wg.Wait()
	for g := range all {
		require.Equal(t, all[0], all[g])
	}
}

func TestDrawsDoNotAllocate(t *testing.T) {
	k := NewKey(1, "alloc")
	p := k.Perm(1_000_000)
	var sink uint64
	require.Zero(t, testing.AllocsPerRun(100, func() { sink += k.Uint64(1, 2, 3, 4) + p.At(5) }))
}

func chiSquare(counts []int, n int) float64 {
	expected := float64(n) / float64(len(counts))
	var x float64
	for _, c := range counts {
		x += (float64(c) - expected) * (float64(c) - expected) / expected
	}
	return x
}
