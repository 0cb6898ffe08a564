package reading_test

import (
	"bufio"
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/reading"
)

// sample is a reply of the corpus with the reading a careful person makes. A want of null means that the reply gives no
// allowed answer; a rule of "refuse" with a want means that only judgement gets at it.
type sample struct {
	ID         string
	Type       string
	Question   string
	Min, Max   *float64
	Decimals   *int
	Points     int
	Choices    []string
	Schema     json.RawMessage
	OutOfRange string `json:"out_of_range"`
	Language   string
	Tags       []string
	Reply      string
	Want       json.RawMessage
	Rule       string
	Why        string
}

func (s sample) reader(t *testing.T) *reading.Reader {
	t.Helper()
	spec := reading.Spec{ID: s.Question, Type: s.Type, Min: math.NaN(), Max: math.NaN(), Decimals: 6, Points: s.Points,
		Choices: s.Choices, OutOfRange: s.OutOfRange, Language: s.Language, Tags: s.Tags}
	if s.Min != nil {
		spec.Min = *s.Min
	}
	if s.Max != nil {
		spec.Max = *s.Max
	}
	if s.Decimals != nil {
		spec.Decimals = *s.Decimals
	}
	if s.Schema != nil {
		schema, err := reading.CompileSchema(s.Schema)
		require.NoError(t, err)
		spec.Schema = schema
	}
	r, err := reading.New(spec)
	require.NoError(t, err)
	return r
}

// value is the reading as JSON, to compare with the sample's want.
func (s sample) value(t *testing.T, got reading.Reading) string {
	t.Helper()
	var v any
	switch s.Type {
	case reading.TypeNumber, reading.TypeLikert:
		v = got.Value
	case reading.TypeChoice:
		require.Equal(t, s.Choices[got.Choice], got.Text)
		v = got.Text
	case reading.TypeText, reading.TypeCode:
		v = got.Text
	case reading.TypeJSON, reading.TypeTagged:
		v = json.RawMessage(got.Text)
	}
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}

func corpus(t testing.TB) []sample {
	t.Helper()
	file, err := os.Open("testdata/corpus.jsonl")
	require.NoError(t, err)
	defer file.Close()
	var out []sample
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var s sample
		require.NoError(t, json.Unmarshal(lines.Bytes(), &s), lines.Text())
		out = append(out, s)
	}
	require.NoError(t, lines.Err())
	return out
}

func TestCorpus(t *testing.T) {
	all := corpus(t)
	require.GreaterOrEqual(t, len(all), 200)
	accepted, seen := 0, map[string]bool{}
	for _, s := range all {
		require.False(t, seen[s.ID], s.ID)
		seen[s.ID] = true
		t.Run(s.ID, func(t *testing.T) {
			got, err := s.reader(t).Rule(s.Reply)
			if s.Rule == "refuse" {
				require.Error(t, err, "%q is %s, read as %q", s.Reply, s.Why, got.Text)
				require.Zero(t, got)
				return
			}
			require.Equal(t, "accept", s.Rule)
			require.NoError(t, err, "%q: %s", s.Reply, s.Why)
			require.JSONEq(t, string(s.Want), s.value(t, got), "%q: %s", s.Reply, s.Why)
			accepted++
		})
	}
	t.Logf("the rule accepts %d of %d replies (%.0f %%), none wrongly", accepted, len(all), 100*float64(accepted)/float64(len(all)))
	require.GreaterOrEqual(t, accepted, 90)
}
