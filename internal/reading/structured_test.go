package reading_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/internal/reading"
)

func quote(t require.TestingT, v any) string {
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}

func TestStructured(t *testing.T) {
	nan := math.NaN()
	const object = `{"type":"object","properties":{"q":%s},"required":["q"],"additionalProperties":false}`
	for name, c := range map[string]struct {
		spec         reading.Spec
		source, want string // want "" for free replies
	}{
		"number":    {reading.Spec{Type: reading.TypeNumber, Min: 0, Max: 100, Decimals: 6}, "", fmt.Sprintf(object, `{"type":"number","minimum":0,"maximum":100}`)},
		"integer":   {reading.Spec{Type: reading.TypeNumber, Min: 0.5, Max: nan}, "", fmt.Sprintf(object, `{"type":"integer","minimum":1}`)},
		"unbounded": {reading.Spec{Type: reading.TypeNumber, Min: nan, Max: nan, Decimals: 2}, "", fmt.Sprintf(object, `{"type":"number"}`)},
		"likert":    {reading.Spec{Type: reading.TypeLikert, Points: 7}, "", fmt.Sprintf(object, `{"type":"integer","minimum":1,"maximum":7}`)},
		"choice":    {reading.Spec{Type: reading.TypeChoice, Choices: []string{"a <b>", `"c"`}}, "", fmt.Sprintf(object, `{"type":"string","enum":["a <b>","\"c\""]}`)},
		"json":      {reading.Spec{Type: reading.TypeJSON}, "{ \"type\": \"array\" }", `{"type":"array"}`},
		"any json":  {reading.Spec{Type: reading.TypeJSON}, "", ""},
		"text":      {reading.Spec{Type: reading.TypeText}, "", ""},
		"code":      {reading.Spec{Type: reading.TypeCode}, "", ""},
		"tagged":    {reading.Spec{Type: reading.TypeTagged, Tags: []string{"a"}}, "", ""},
	} {
		c.spec.ID = "q"
		schema, err := reading.SchemaFor(c.spec, []byte(c.source))
		require.NoError(t, err, name)
		require.Equal(t, c.want, string(schema), name)

		format, outputs, err := reading.StructuredFor(reading.StructuredResponseFormat, c.spec, []byte(c.source))
		require.NoError(t, err, name)
		require.Nil(t, outputs, name)
		if c.want == "" {
			require.Nil(t, format, name)
		} else {
			require.Equal(t, `{"type":"json_schema","json_schema":{"name":"q","schema":`+c.want+`,"strict":true}}`, string(format), name)
		}
		format, outputs, err = reading.StructuredFor(reading.StructuredOutputs, c.spec, []byte(c.source))
		require.NoError(t, err, name)
		require.Nil(t, format, name)
		switch {
		case c.want == "":
			require.Nil(t, outputs, name)
		case name == "choice":
			require.JSONEq(t, `{"choice":["a <b>","\"c\""]}`, string(outputs))
		default:
			require.Equal(t, `{"json":`+c.want+`}`, string(outputs), name)
		}
		for _, mode := range []string{"", "none"} {
			format, outputs, err = reading.StructuredFor(mode, c.spec, []byte(c.source))
			require.NoError(t, err)
			require.Nil(t, format)
			require.Nil(t, outputs)
		}
	}
	_, err := reading.SchemaFor(reading.Spec{Type: reading.TypeLikert}, nil)
	require.ErrorIs(t, err, reading.ErrSpec)
	_, _, err = reading.StructuredFor(reading.StructuredOutputs, reading.Spec{Type: reading.TypeJSON}, []byte("{"))
	require.ErrorIs(t, err, reading.ErrSpec)
	schema, err := reading.SchemaFor(reading.Spec{Type: reading.TypeLikert, Points: 2}, nil)
	require.NoError(t, err)
	require.Contains(t, string(schema), `"required":["answer"]`, "a question without an id")
}

// drawSpec draws a question whose replies have a schema, and a value of it as a server would write it.
func drawSpec(t *rapid.T) (reading.Spec, string) {
	s := reading.Spec{ID: "guess", Min: math.NaN(), Max: math.NaN()}
	switch s.Type = rapid.SampledFrom([]string{reading.TypeNumber, reading.TypeLikert, reading.TypeChoice}).Draw(t, "type"); s.Type {
	case reading.TypeNumber:
		s.Decimals = rapid.IntRange(0, 9).Draw(t, "decimals")
		lo := rapid.Float64Range(-1e5, 1e5).Draw(t, "min")
		hi := lo + rapid.Float64Range(1, 1e5).Draw(t, "width")
		if rapid.Bool().Draw(t, "bounded below") {
			s.Min = lo
		}
		if rapid.Bool().Draw(t, "bounded above") {
			s.Max = hi
		}
		v := rapid.Float64Range(lo, hi).Draw(t, "value")
		if s.Decimals == 0 {
			return s, strconv.FormatInt(int64(v), 10)
		}
		return s, strconv.FormatFloat(v, 'f', rapid.IntRange(1, 17).Draw(t, "digits"), 64)
	case reading.TypeLikert:
		s.Points = rapid.IntRange(2, 11).Draw(t, "points")
		return s, strconv.Itoa(rapid.IntRange(0, 12).Draw(t, "point"))
	default:
		text := rapid.StringMatching(`[A-Za-z0-9é$%€(][A-Za-z0-9é ,.:"'{}()/+*_-]{0,20}[A-Za-z0-9é)%.!?]`)
		s.Choices = rapid.SliceOfNDistinct(text, 2, 6, rapid.ID[string]).Draw(t, "choices")
		return s, rapid.SampledFrom(s.Choices).Draw(t, "choice")
	}
}

// What a server that is held to the schema writes is read, and as what it says.
func TestValuesOfTheSchemaAreRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, value := drawSpec(t)
		r, err := reading.New(s)
		require.NoError(t, err)
		if s.Type == reading.TypeChoice {
			bare, err := r.Rule(value)
			require.NoError(t, err, value)
			require.Equal(t, value, bare.Text, "a bare choice, as structured_outputs has it")
			value = quote(t, value)
		}
		source, err := reading.SchemaFor(s, nil)
		require.NoError(t, err)
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(source)))
		require.NoError(t, err)
		c := jsonschema.NewCompiler()
		require.NoError(t, c.AddResource("mem:a", doc))
		schema, err := c.Compile("mem:a")
		require.NoError(t, err)

		reply := fmt.Sprintf(rapid.SampledFrom([]string{`{"guess":%s}`, `{ "guess" : %s }`, "{\n  \"guess\": %s\n}\n"}).Draw(t, "layout"), value)
		said, err := jsonschema.UnmarshalJSON(strings.NewReader(reply))
		require.NoError(t, err)
		got, err := r.Rule(reply)
		long, longErr := r.Rule("```json\n" + reply + "\n```")
		require.Equal(t, long, got, "the short way reads what the long one reads")
		require.Equal(t, longErr, err)
		if schema.Validate(said) != nil {
			// Rounding may bring a value that lies just outside back in.
			if s.Type == reading.TypeLikert {
				require.ErrorIs(t, err, reading.ErrOutOfRange)
			}
			return
		}
		require.NoError(t, err, "%s %+v", reply, s)
		require.False(t, got.Repaired)
		if s.Type == reading.TypeChoice {
			require.Equal(t, value, quote(t, got.Text))
			return
		}
		want, err := strconv.ParseFloat(value, 64)
		require.NoError(t, err)
		require.InDelta(t, want, got.Value, 0.5*math.Pow10(-s.Decimals)+1e-9)
	})
}
