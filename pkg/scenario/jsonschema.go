package scenario

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// compileSchema checks a JSON Schema. It loads nothing: a reference to a file or the network is an error.
func compileSchema(src []byte) error {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(src))
	if err != nil {
		return err
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(jsonschema.SchemeURLLoader{})
	const name = "schema:answer"
	if err := c.AddResource(name, doc); err != nil {
		return err
	}
	_, err = c.Compile(name)
	return err
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return clipped(line)
}

// plainValue is a node as the value encoding/json would have read.
func plainValue(n *node) any {
	switch n.kind {
	case kindMap:
		out := make(map[string]any, len(n.entries))
		for _, e := range n.entries {
			out[e.key.text] = plainValue(e.value)
		}
		return out
	case kindList:
		out := make([]any, len(n.items))
		for i, item := range n.items {
			out[i] = plainValue(item)
		}
		return out
	case kindBool:
		return n.text == "true"
	case kindNumber:
		if json.Valid([]byte(n.text)) {
			return json.RawMessage(n.text)
		}
		if v, ok := parseRat(n.text); ok {
			f, _ := v.Float64()
			return f
		}
	case kindNull:
		return nil
	}
	return n.text
}
