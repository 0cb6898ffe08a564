package scenario

import (
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/myriad-sim/myriad/internal/expression"
)

// sequence converts a sequence.
func (r *reader) sequence(v *ast.SequenceNode, out *node, depth int) *node {
	out.kind = kindList
	for _, item := range v.Values {
		if item == nil {
			item = ast.Null(v.Start)
		}
		if url := r.plainURL(item, depth+1); url != nil {
			out.items = append(out.items, url)
			continue
		}
		if n := r.convert(item, depth+1); n != nil {
			out.items = append(out.items, n)
		}
	}
	return out
}

// plainURL puts together again what the parser takes apart: the unquoted URL in [http://localhost:8000/v1] is plain text in
// YAML, because no space follows its colons, but comes as a mapping from http to the rest or, inside braces, from what stands
// before the port. It is nil for anything else.
func (r *reader) plainURL(item ast.Node, depth int) *node {
	if m, ok := item.(*ast.MappingNode); ok && len(m.Values) == 1 && !m.IsFlowStyle {
		item = m.Values[0]
	}
	values, ok := item.(*ast.MappingValueNode)
	if !ok {
		return nil
	}
	key, isText := values.Key.(*ast.StringNode)
	rest, isScalar := values.Value.(ast.ScalarNode)
	if !isText || !isScalar {
		return nil
	}
	text := rest.GetToken().Value
	if !strings.HasPrefix(text, "//") && !strings.Contains(key.Value, "://") {
		return nil
	}
	line, column := position(key)
	if l, c := position(rest); l != line || c != column+len(key.Value)+1 {
		return nil
	}
	out := r.convert(key, depth)
	if out != nil {
		out.text += ":" + text
	}
	return out
}

// mapping converts a mapping. Keys appear once; what << brings in never overrides a key that is written out.
func (r *reader) mapping(values []*ast.MappingValueNode, out *node, depth int) *node {
	out.kind = kindMap
	seen := make(map[string]*node, len(values))
	var merged []ast.Node
	for _, v := range values {
		if _, ok := v.Key.(*ast.MergeKeyNode); ok {
			merged = append(merged, v.Value)
			continue
		}
		key := r.key(v.Key)
		if key == nil {
			continue
		}
		if first := seen[key.text]; first != nil {
			r.fail(key.line, key.column, "", "key %q is here twice; the first is on line %d", key.text, first.line)
			continue
		}
		seen[key.text] = key
		if value := r.convert(v.Value, depth+1); value != nil {
			if value.kind == kindNull {
				value.line, value.column = key.line, key.column
			}
			out.entries = append(out.entries, entry{key, value})
		}
	}
	for _, m := range merged {
		r.merge(m, out, depth)
	}
	return out
}

// key converts the key of a mapping: a scalar on one line.
func (r *reader) key(k ast.MapKeyNode) *node {
	line, column := position(k)
	switch k.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode:
		return &node{kind: kindText, text: k.GetToken().Value, line: line, column: column, flag: r.flag}
	}
	return r.fail(line, column, r.unquoted(line), "a key must be plain or quoted text")
}

// merge adds what << brings in.
func (r *reader) merge(from ast.Node, out *node, depth int) {
	brought := r.convert(from, depth+1)
	if brought == nil {
		return
	}
	sources := []*node{brought}
	if brought.kind == kindList {
		sources = brought.items
	}
	for _, source := range sources {
		if source.kind != kindMap {
			line, column := position(from)
			r.fail(line, column, "", "<< wants a mapping, not %s", source.kind)
			return
		}
		for _, e := range source.entries {
			if out.find(e.key.text) == nil {
				out.entries = append(out.entries, e)
			}
		}
	}
}

// anchor converts what an anchor names. The name is known only afterwards, so an anchor cannot contain itself.
func (r *reader) anchor(v *ast.AnchorNode, depth int) *node {
	if v.Value == nil {
		return &node{line: 1, column: 1, flag: r.flag}
	}
	out := r.convert(v.Value, depth)
	r.anchors[v.Name.GetToken().Value] = v.Value
	return out
}

// alias converts what an alias stands for, once more: every use is a copy, counted against the limit.
func (r *reader) alias(v *ast.AliasNode, depth int) *node {
	line, column := position(v)
	name := v.Value.GetToken().Value
	target, ok := r.anchors[name]
	if !ok {
		return r.fail(line, column, expression.Nearest(name, slices.Collect(maps.Keys(r.anchors))), "no anchor &%s comes before this", name)
	}
	return r.convert(target, depth+1)
}
