package population

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var bg = context.Background()

func TestDrawIsExact(t *testing.T) {
	s := Spec{Size: 1000, Distributions: []Dist{{"education", []string{"high school", "Ph.D."}, []float64{0.8, 0.2}}}}
	require.Equal(t, []int{800, 200}, tallyOf(draw(t, s), 0))
	rapid.Check(t, func(t *rapid.T) {
		s := genSpec(t)
		p := draw(t, s)
		for i, d := range s.Distributions {
			require.Equal(t, counts(d.Proportions, s.Size), tallyOf(p, i), d.Name)
		}
	})
}

// What an agent gets in a distribution depends on neither the other distributions nor their order.
func TestDistributionsDoNotTouchEachOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := genSpec(t)
		all := draw(t, s)
		shuffled := s
		shuffled.Distributions = rapid.Permutation(s.Distributions).Draw(t, "order")
		if len(shuffled.Distributions) > 0 {
			shuffled.Distributions = shuffled.Distributions[:rapid.IntRange(0, len(shuffled.Distributions)).Draw(t, "kept")]
		}
		some := draw(t, shuffled)
		for i, d := range shuffled.Distributions {
			j := slices.IndexFunc(s.Distributions, func(e Dist) bool { return e.Name == d.Name })
			require.Equal(t, all.columns[j], some.columns[i])
		}
	})
}

// Two distributions with equal proportions agree on as many agents as chance says, and so do two seeds.
func TestDistributionsAreIndependent(t *testing.T) {
	const n = 20_000
	half := []float64{0.5, 0.5}
	s := Spec{Size: n, Seed: 1, Distributions: []Dist{{"a", []string{"x", "y"}, half}, {"b", []string{"x", "y"}, half}}}
	p := draw(t, s)
	s.Seed = 2
	other := draw(t, s)
	same, again := 0, 0
	for agent := range n {
		if p.Attr(agent, 0) == p.Attr(agent, 1) {
			same++
		}
		if p.Attr(agent, 0) == other.Attr(agent, 0) {
			again++
		}
	}
	// The number of agreements has a standard deviation of about sqrt(n)/2 = 71.
	require.InDelta(t, n/2, same, 6*71)
	require.InDelta(t, n/2, again, 6*71)
}

// Any stretch of agents can be drawn alone, in any order of stretches.
func TestPartsMakeTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := genSpec(t)
		p := draw(t, s)
		cut := rapid.IntRange(0, s.Size).Draw(t, "cut")
		for i, d := range s.Distributions {
			c, hand := newColumn(len(d.Categories), s.Size), newDeal(s, d)
			c.fill(&hand, cut, s.Size)
			c.fill(&hand, 0, cut)
			require.Equal(t, p.columns[i], c)
		}
	})
}

// The first agents are a fair sample of all: nobody has to mix them first.
func TestPrefixIsASample(t *testing.T) {
	const n, first = 100_000, 1000
	p := draw(t, Spec{Size: n, Seed: 3, Distributions: []Dist{{"a", []string{"x", "y", "z"}, []float64{0.2, 0.3, 0.5}}}})
	var got [3]int
	for agent := range first {
		got[p.Category(agent, 0)]++
	}
	for i, share := range []float64{0.2, 0.3, 0.5} {
		require.InDelta(t, share*first, got[i], 6*math.Sqrt(first*share*(1-share)))
	}
}

func TestDrawReportsProgress(t *testing.T) {
	s := people(3 * drawBlock / 2)
	var at []int
	_, err := Draw(bg, s, func(done, total int) {
		require.Equal(t, s.Size*6, total)
		at = append(at, done)
	})
	require.NoError(t, err)
	require.Len(t, at, 12)
	require.True(t, slices.IsSorted(at))
	require.Equal(t, s.Size*6, at[len(at)-1])
}

func TestDrawStopsWithItsContext(t *testing.T) {
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	calls := 0
	_, err := Draw(ctx, people(10*drawBlock), func(int, int) {
		calls++
		cancel(enough)
	})
	require.ErrorIs(t, err, enough)
	require.Equal(t, 1, calls)
}

func TestDrawKeepsNothingOfTheSpec(t *testing.T) {
	s := people(10)
	p := draw(t, s)
	hash := s.Hash()
	s.Distributions[0].Categories[0] = "changed"
	p.Spec().Distributions[0].Categories[1] = "changed"
	require.Equal(t, hash, p.Spec().Hash())
}
