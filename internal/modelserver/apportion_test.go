package modelserver

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func shares(total uint64, sizes ...int) []uint64 {
	list := make([]share, len(sizes))
	for i, n := range sizes {
		list[i].size = n
	}
	apportion(total, list)
	out := make([]uint64, len(sizes))
	for _, s := range list {
		out[s.at] = s.is
	}
	return out
}

func TestApportion(t *testing.T) {
	require.Equal(t, []uint64{1, 2, 3}, shares(6, 10, 20, 30))
	require.Equal(t, []uint64{4, 3, 3}, shares(10, 5, 5, 5), "what is left goes to the first of equals")
	require.Equal(t, []uint64{3, 0, 7}, shares(10, 35, 0, 66), "3.46 and 6.53: the larger remainder is rounded up")
	require.Equal(t, []uint64{2, 2, 1}, shares(5, 0, 0, 0))
	require.Equal(t, []uint64{0, 0}, shares(0, 1, 2))
}

// The shares sum to the total, and each is its exact one rounded up or down.
func TestApportionIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.IntRange(0, math.MaxInt32), 1, 50).Draw(t, "sizes")
		total := rapid.Uint64().Draw(t, "total")
		got, sum, size := shares(total, sizes...), uint64(0), 0.0
		for i, n := range got {
			sum += n
			size += float64(sizes[i])
		}
		require.Equal(t, total, sum)
		if slices.Max(sizes) == 0 {
			return
		}
		for i, n := range got {
			exact := float64(total) * (float64(sizes[i]) / size)
			require.InDelta(t, exact, float64(n), 1+exact*1e-12)
		}
	})
}
