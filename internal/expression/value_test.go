package expression

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestParseValue(t *testing.T) {
	for src, want := range map[string]float64{
		"2/3": 2.0 / 3, "-1/2": -0.5, "1 / 4": 0.25, "+3": 3, "0.50": 0.5, ".5": 0.5, "5.": 5, "1e3": 1000, "-0": 0,
	} {
		v, err := ParseValue(src)
		require.NoError(t, err)
		f, ok := v.Float()
		require.True(t, ok, src)
		require.Equal(t, want, f, src)
		require.Equal(t, src, v.String())
	}
	for _, src := range []string{"", "abc", "1/2/3", "0x10", "NaN", "Inf", "1_000", "1,5", "True", "1e", "/2", "a/b"} {
		v, err := ParseValue(src)
		require.NoError(t, err, src)
		_, ok := v.Float()
		require.False(t, ok, src)
		_, ok = v.Bool()
		require.False(t, ok, src)
		require.Equal(t, src, v.String())
	}
	for _, src := range []string{"1/0", "1e999", "-1e999999999999", strings.Repeat("9", 400)} {
		_, err := ParseValue(src)
		require.ErrorIs(t, err, ErrBadNumber, src)
	}
	for _, src := range []string{"true", "false"} {
		v, err := ParseValue(src)
		require.NoError(t, err)
		b, ok := v.Bool()
		require.True(t, ok)
		require.Equal(t, src == "true", b)
	}
}

func TestValueFormat(t *testing.T) {
	v := vars("r", "2/3", "n", "100", "s", "hi", "b", "true")
	for _, tt := range []struct {
		format, name, want string
	}{
		{"%v", "r", "2/3"}, {"%s", "r", "2/3"}, {"%q", "r", `"2/3"`}, {"%.2f", "r", "0.67"}, {"%8.3f", "r", "   0.667"},
		{"%-5s|", "r", "2/3  |"}, {"%d", "n", "100"}, {"%05d", "n", "00100"}, {"%e", "n", "1.000000e+02"}, {"%x", "s", "6869"},
		{"%t", "b", "true"}, {"%v", "b", "true"}, {"%d", "r", "%!d(float64=0.6666666666666666)"},
	} {
		require.Equal(t, tt.want, fmt.Sprintf(tt.format, v[tt.name]), tt.format+tt.name)
	}
}

func TestRatioIsNearestFloat(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Int64Range(-1<<53, 1<<53).Draw(t, "a"), rapid.Int64Range(1, 1<<53).Draw(t, "b")
		v, err := ParseValue(fmt.Sprintf("%d/%d", a, b))
		require.NoError(t, err)
		f, ok := v.Float()
		require.True(t, ok)
		require.Equal(t, float64(a)/float64(b), f) // both fit a float64 exactly, so one division rounds once
	})
}

func FuzzParseValue(f *testing.F) {
	for _, s := range []string{"2/3", "1e5", "true", "x", "9/0", "-.5e-9"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		v, err := ParseValue(src)
		if err != nil {
			return
		}
		again, err := ParseValue(v.String())
		require.NoError(t, err)
		require.Equal(t, v, again)
		if x, ok := v.Float(); ok {
			require.False(t, math.IsNaN(x) || math.IsInf(x, 0))
		}
	})
}

func TestNearest(t *testing.T) {
	names := []string{"target", "ratio", "low", "high", "Education"}
	for name, want := range map[string]string{
		"traget": "target", "targets": "target", "lw": "low", "education": "Education", "zzz": "", "tax": "", "": "",
		strings.Repeat("x", 100): "",
	} {
		require.Equal(t, want, Nearest(name, names), name)
	}
	require.Equal(t, "aa", Nearest("ab", []string{"ac", "aa"}), "ties go to the first in order")
	require.Equal(t, "printf", Nearest("prinft", []string{"print", "printf"}), "and before that to the length")
}
