package stats_test

import (
	"math"
	"math/big"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/internal/stats"
)

func TestCanonicalRoundsTheDecimalPeopleSee(t *testing.T) {
	for _, c := range []struct {
		v        float64
		decimals int
		want     int64
	}{
		{1.005, 2, 101}, {-1.005, 2, -101}, {0.285, 2, 29}, {2.5, 0, 3}, {-2.5, 0, -3}, {0.49999999999999994, 0, 0},
		{33.3333335, 6, 33333334}, {0, 6, 0}, {math.Copysign(0, -1), 6, 0}, {5e-324, 9, 0}, {9007199254740993, 0, 9007199254740992},
		{9.2e18, 0, 9_200_000_000_000_000_000}, {9.2e9, 9, 9_200_000_000_000_000_000},
	} {
		got, err := stats.Canonical(c.v, c.decimals)
		require.NoError(t, err)
		require.Equal(t, c.want, got, "%v at %d", c.v, c.decimals)
	}
}

func TestCanonicalRefuses(t *testing.T) {
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		_, err := stats.Canonical(v, 2)
		require.ErrorIs(t, err, stats.ErrNotFinite)
	}
	for _, v := range []float64{1e19, -1e19, math.MaxFloat64, -9223372036854775808} {
		_, err := stats.Canonical(v, 0)
		require.ErrorIs(t, err, stats.ErrOverflow, "%v", v)
	}
	_, err := stats.Canonical(9.3e9, 9)
	require.ErrorIs(t, err, stats.ErrOverflow)
	for _, d := range []int{-1, 10} {
		_, err := stats.Canonical(1, d)
		require.ErrorIs(t, err, stats.ErrDecimals)
	}
}

func TestCanonicalIsDecimalRounding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		decimals := rapid.IntRange(0, stats.MaxDecimals).Draw(t, "decimals")
		// Numbers as people write them, halves included, and arbitrary floats.
		written := rapid.Map(rapid.Int64Range(-1e12, 1e12), func(n int64) float64 {
			f, _ := new(big.Rat).SetFrac64(n, 1_000_000).Float64()
			return f
		})
		v := rapid.OneOf(written, rapid.Float64Range(-9e9, 9e9)).Draw(t, "v")
		got, err := stats.Canonical(v, decimals)
		require.NoError(t, err)

		exact, ok := new(big.Rat).SetString(strconv.FormatFloat(v, 'f', -1, 64))
		require.True(t, ok)
		text := exact.FloatString(decimals) // rounds half away from zero
		want, ok := new(big.Rat).SetString(text)
		require.True(t, ok)
		require.Zero(t, new(big.Rat).SetFrac(big.NewInt(got), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil)).Cmp(want), text)
	})
}

func TestCanonicalInvertsFloat(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		decimals := rapid.IntRange(0, stats.MaxDecimals).Draw(t, "decimals")
		v := rapid.Int64Range(-1<<50, 1<<50).Draw(t, "v")
		back, err := stats.Canonical(stats.Float(v, decimals), decimals)
		require.NoError(t, err)
		require.Equal(t, v, back)
	})
}

func TestStatusNames(t *testing.T) {
	for s := stats.StatusNone; s <= stats.Missing; s++ {
		back, err := stats.ParseStatus(s.String())
		require.NoError(t, err)
		require.Equal(t, s, back)
	}
	_, err := stats.ParseStatus("maybe")
	require.ErrorIs(t, err, stats.ErrStatus)
	require.Equal(t, "status(9)", stats.Status(9).String())
	var valid []string
	for s := range stats.Status(10) {
		if s.Valid() {
			valid = append(valid, s.String())
		}
	}
	require.Equal(t, []string{"answered", "extracted", "repaired", "fallback"}, valid)
}
