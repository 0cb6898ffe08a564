package scenario_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/pkg/scenario"
)

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(scenario.Schema()))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource("scenario.json", doc))
	schema, err := c.Compile("scenario.json")
	require.NoError(t, err)
	return schema
}

func validate(t *testing.T, schema *jsonschema.Schema, src string) error {
	t.Helper()
	asJSON, err := yaml.YAMLToJSON([]byte(src))
	require.NoError(t, err)
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	require.NoError(t, err)
	return schema.Validate(v)
}

func TestSchemaAcceptsWhatLoads(t *testing.T) {
	schema := compileSchema(t)
	for name, src := range examples(t) {
		require.NoError(t, validate(t, schema, string(src)), name)
	}
	require.NoError(t, validate(t, schema, base))
	require.NoError(t, validate(t, schema, string(scenario.Starter(""))))
}

// What the parser refuses for its shape, an editor marks too.
func TestSchemaRefusesWrongShapes(t *testing.T) {
	schema := compileSchema(t)
	shapes := map[string]bool{
		"unknown key": true, "unknown key deep inside": true, "missing key": true, "text for a number": true,
		"fraction for a whole number": true, "out of bounds": true, "number for text": true, "list for a mapping": true,
		"nothing for a mapping": true, "other version": true, "reserved var": true, "proportion above 1": true,
		"unknown template": true, "unknown provider": true, "key of another provider": true,
		"missing key of a provider": true, "duration without unit": true, "block name": true, "unknown answer type": true,
		"key of another answer type": true, "groups, malformed too": true,
	}
	for _, c := range malformed {
		err := func() error { return validate(t, schema, strings.Replace(base, c.old, c.new, 1)) }
		switch {
		case shapes[c.name]:
			require.Error(t, err(), c.name)
			delete(shapes, c.name)
		case strings.Contains(c.want, "is not yet supported"):
			require.NoError(t, err(), "%s: the grammar is fixed from the first day", c.name)
		}
	}
	require.Empty(t, shapes)
}

// Editors find the schema next to the examples.
func TestSchemaFileIsCurrent(t *testing.T) {
	onDisk, err := os.ReadFile("../../examples/scenario.schema.json")
	require.NoError(t, err)
	require.Equal(t, string(scenario.Schema()), string(onDisk), "write it again: go run ./cmd/myriad schema > examples/scenario.schema.json")
	for name, src := range examples(t) {
		require.True(t, bytes.HasPrefix(src, []byte("# yaml-language-server: $schema=scenario.schema.json\n")), name)
	}
}

func TestSchemaDescribesEveryKey(t *testing.T) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(scenario.Schema()))
	require.NoError(t, err)
	keys := 0
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if properties, ok := v["properties"].(map[string]any); ok && v["additionalProperties"] == false {
				for key, p := range properties {
					keys++
					require.NotEmpty(t, p.(map[string]any)["description"], key)
				}
			}
			for _, x := range v {
				walk(x)
			}
		case []any:
			for _, x := range v {
				walk(x)
			}
		}
	}
	walk(doc)
	require.Greater(t, keys, 80)
}
