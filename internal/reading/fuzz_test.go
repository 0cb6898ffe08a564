package reading_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/reading"
)

// fuzzed are readers of every type, with bounds that make a wrong reading visible.
func fuzzed(t require.TestingT) map[string]*reading.Reader {
	schema, err := reading.CompileSchema([]byte(`{"type": "object", "properties": {"guess": {"type": "number", "multipleOf": 0.5}}}`))
	require.NoError(t, err)
	out := map[string]*reading.Reader{}
	for name, s := range map[string]reading.Spec{
		"bounded": {ID: "guess", Type: reading.TypeNumber, Min: 0, Max: 100, Decimals: 2},
		"clamped": {ID: "guess", Type: reading.TypeNumber, Min: -10, Max: 10, Decimals: 0, OutOfRange: reading.Clamp},
		"free":    {ID: "guess", Type: reading.TypeNumber, Min: math.NaN(), Max: math.NaN(), Decimals: 9},
		"likert":  {ID: "guess", Type: reading.TypeLikert, Points: 7},
		"choice":  {ID: "guess", Type: reading.TypeChoice, Choices: []string{"A", "B", "yes", "no", "strongly agree", "agree"}},
		"text":    {ID: "guess", Type: reading.TypeText},
		"json":    {ID: "guess", Type: reading.TypeJSON, Schema: schema},
		"code":    {ID: "guess", Type: reading.TypeCode},
		"python":  {ID: "guess", Type: reading.TypeCode, Language: "Python"},
		"tagged":  {ID: "guess", Type: reading.TypeTagged, Tags: []string{"thought", "Speak", "guess"}},
	} {
		r, err := reading.New(s)
		require.NoError(t, err)
		out[name] = r
	}
	return out
}

// sound checks what must hold of every reading, whatever was read.
func sound(t *testing.T, name string, got reading.Reading, err error) {
	if err != nil {
		require.Zero(t, got, name)
		require.NotEmpty(t, err.Error(), name)
		return
	}
	require.False(t, math.IsNaN(got.Value) || math.IsInf(got.Value, 0), name)
	require.NotEmpty(t, got.Text, name)
	switch name {
	case "bounded":
		require.True(t, got.Value >= 0 && got.Value <= 100, got.Value)
		require.Equal(t, math.Round(got.Value*100)/100, got.Value)
	case "clamped":
		require.True(t, got.Value >= -10 && got.Value <= 10 && got.Value == math.Trunc(got.Value), got.Value)
	case "free":
		require.LessOrEqual(t, math.Abs(got.Value)*1e9, 9.3e18)
	case "likert":
		require.True(t, got.Value >= 1 && got.Value <= 7 && got.Value == math.Trunc(got.Value), got.Value)
	case "choice":
		require.True(t, got.Choice >= 0 && got.Choice < 6)
	case "tagged":
		var said map[string]string
		require.NoError(t, json.Unmarshal([]byte(got.Text), &said))
		require.Len(t, said, 3)
		require.Contains(t, said, "Speak")
	default:
		require.Zero(t, got.Value)
	}
}

func FuzzRule(f *testing.F) {
	for _, s := range corpus(f) {
		f.Add(s.Reply)
	}
	readers := fuzzed(f)
	plain := map[string]bool{"bounded": true, "clamped": true, "free": true, "likert": true, "choice": true}
	f.Fuzz(func(t *testing.T, reply string) {
		for name, r := range readers {
			got, err := r.Rule(reply)
			sound(t, name, got, err)
			// A value written alone reads back, so what is shown to others means the same.
			if err == nil && plain[name] {
				again, err := r.Rule(got.Text)
				require.NoError(t, err, "%s: %q", name, got.Text)
				require.Equal(t, got.Value, again.Value, name)
				require.Equal(t, got.Choice, again.Choice, name)
			}
		}
	})
}

func FuzzExtraction(f *testing.F) {
	for _, s := range corpus(f) {
		f.Add(s.Reply)
	}
	f.Add("NONE")
	f.Add("REFUSED")
	readers := fuzzed(f)
	f.Fuzz(func(t *testing.T, reply string) {
		for name, r := range readers {
			got, err := r.Extraction(reply)
			sound(t, name, got, err)
		}
	})
}
