package bench

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestSpread(t *testing.T) {
	require.Equal(t, Spread{Median: 2, Min: 1, Max: 9}, spread([]float64{9, 1, 2}))
	require.Equal(t, Spread{Median: 2.5, Min: 1, Max: 9}, spread([]float64{3, 9, 1, 2}))
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(-1e9, 1e9), 1, 9).Draw(t, "values")
		before := slices.Clone(values)
		got := spread(values)
		require.Equal(t, before, values)
		below, above := 0, 0
		for _, v := range values {
			require.GreaterOrEqual(t, v, got.Min)
			require.LessOrEqual(t, v, got.Max)
			if v <= got.Median {
				below++
			}
			if v >= got.Median {
				above++
			}
		}
		require.GreaterOrEqual(t, 2*below, len(values))
		require.GreaterOrEqual(t, 2*above, len(values))
	})
}

// A ratio is taken repeat by repeat: a machine that was twice as slow for one of them changes nothing.
func TestRatioOfRepeats(t *testing.T) {
	fast, slow := series{1, 2, 1}, series{2, 4, 2}
	require.Equal(t, series{0.5, 0.5, 0.5}, fast.by(slow))
	require.Equal(t, series{0.5}, fast.by(series{2}))
	require.Empty(t, fast.by(nil))
	require.Empty(t, series{1, 0}.by(series{0, 0}), "nothing is divided by zero")
}

func TestSeriesNeedsAllRepeats(t *testing.T) {
	samples := []Figures{{Seconds: 1, Peak: 5}, {Seconds: 2}}
	require.Equal(t, series{1, 2}, of(samples, Seconds))
	require.Empty(t, of(samples, Peak))
}

func TestFormat(t *testing.T) {
	for want, v := range map[string]float64{
		"0.000": 0, "3.00": 3, "1.23": 1.234, "12.3": 12.34, "123": 123.4, "1,234": 1234.4, "-1,234,567": -1234567, "0.123": 0.1234, "0.00012": 0.000123,
	} {
		require.Equal(t, want, short(v))
	}
	require.Equal(t, "–", series(nil).cell(short))
	require.Equal(t, "1.50", series{1.5}.cell(short))
	require.Equal(t, "1.50 (1.25–2.75)", series{2.75, 1.5, 1.25}.cell(short))
	require.Equal(t, "1.50", series{1.501, 1.5}.cell(short), "what looks the same is printed once")
	require.Equal(t, "3 (2–4)", series{2, 3, 4}.cell(count))
}
