package scenario_test

import (
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/pkg/scenario"
)

func replace(src, from, to string) string { return strings.Replace(src, from, to, 1) }

// withBlocks is base with dummy players in the given blocks, each line such as "share: 1/2".
func withBlocks(size int, blocks []string) string {
	var b strings.Builder
	for i, line := range blocks {
		fmt.Fprintf(&b, "  b%d: {model: robot, %s}\n", i, line)
	}
	src := replace(base, "size: 1000", fmt.Sprintf("size: %d", size))
	from := strings.Index(src, "agents:\n") + len("agents:\n")
	to := strings.Index(src, "turn:\n")
	return src[:from] + b.String() + src[to:]
}

// Blocks cover every agent exactly once, in order; counts from shares are never more than one off the exact quota.
func TestBlocksCoverTheAgents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.IntRange(0, 1000), 1, 12).Draw(t, "weights")
		weights[0]++
		size := rapid.IntRange(1, 3000).Draw(t, "size")
		sum := 0
		for _, w := range weights {
			sum += w
		}
		lines := make([]string, len(weights))
		for i, w := range weights {
			lines[i] = fmt.Sprintf("share: %d/%d", w, sum)
		}
		s, err := scenario.Load("f.yaml", []byte(withBlocks(size, lines)), scenario.Overrides{})
		require.NoError(t, err)
		next := 0
		for i, b := range s.Blocks {
			require.Equal(t, next, b.First)
			next += b.Count
			quota := new(big.Rat).SetFrac64(int64(weights[i])*int64(size), int64(sum))
			off := quota.Sub(quota, new(big.Rat).SetInt64(int64(b.Count)))
			require.Equal(t, -1, off.Abs(off).Cmp(big.NewRat(1, 1)), "count %d of %v", b.Count, lines[i])
			for _, agent := range []int{b.First, b.First + b.Count - 1} {
				if b.Count > 0 {
					require.Equal(t, b.Name, s.BlockOf(agent).Name)
				}
			}
		}
		require.Equal(t, size, next)
		require.Nil(t, s.BlockOf(size))
		require.Nil(t, s.BlockOf(-1))
	})
}

func TestBlockCounts(t *testing.T) {
	for _, c := range []struct {
		size   int
		blocks []string
		want   []int
	}{
		{1000, []string{"count: 1, system: x", "count: 999"}, []int{1, 999}},
		{10, []string{"share: 1/3", "share: 1/3", "share: 1/3"}, []int{4, 3, 3}},
		{100, []string{"share: 0.333333333", "share: 0.333333333", "share: 0.333333334"}, []int{33, 33, 34}},
		{7, []string{"share: 0.5", "share: 0.25", "share: 0.25"}, []int{3, 2, 2}},
		{5, []string{"system: everyone"}, []int{5}},
	} {
		s := load(t, withBlocks(c.size, c.blocks), scenario.Overrides{})
		var got []int
		for _, b := range s.Blocks {
			got = append(got, b.Count)
		}
		require.Equal(t, c.want, got, "%v", c.blocks)
	}
}
