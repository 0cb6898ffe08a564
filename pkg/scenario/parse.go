package scenario

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits of a file. Keys are bounded because the YAML reader takes time quadratic in them, nodes because an anchor may
// be used many times.
const (
	maxBytes = 512 << 10
	maxKeys  = 10_000
	maxNodes = 100_000
	maxDepth = 64
)

// normalise gives the text with one kind of line end and without a byte order mark.
func normalise(src []byte) string {
	s := strings.TrimPrefix(string(src), "\ufeff")
	return strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s)
}

// parseYAML reads one YAML document. It reports to p and returns nil when there is none to work with. flag names the
// override the text comes from, "" for the file itself.
func parseYAML(src, flag string, p *problems) (root *node) {
	r := &reader{problems: p, flag: flag, anchors: map[string]ast.Node{}, lines: strings.Split(src, "\n")}
	// The YAML reader is somebody else's code on input from outside: should it panic, that is an error of the input.
	defer func() {
		if reason := recover(); reason != nil {
			r.fail(1, 1, "", "this is not YAML that can be read (%v)", reason)
			root = nil
		}
	}()
	tokens := lexer.Tokenize(src)
	if !r.withinLimits(tokens) {
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		r.syntax(err)
		return nil
	}
	var body ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.DirectiveType {
			continue
		}
		if body != nil {
			line, column := position(doc.Body)
			r.fail(line, column, "", "a second document starts here; a scenario is one document")
			return nil
		}
		body = doc.Body
	}
	if body == nil {
		r.fail(1, 1, "", "the file is empty")
		return nil
	}
	return r.convert(body, 0)
}

// reader turns the YAML reader's tree into nodes.
type reader struct {
	*problems
	flag    string
	lines   []string // of the text being read, which is not the file's when flag is set
	anchors map[string]ast.Node
	nodes   int
	full    bool // the limit on nodes was reported
}

func (r *reader) fail(line, column int, suggestion, format string, args ...any) *node {
	r.suggest(&node{line: line, column: column, flag: r.flag}, suggestion, format, args...)
	return nil
}

// tooLarge is fail for a limit.
func (r *reader) tooLarge(line, column int, format string, args ...any) {
	r.fail(line, column, "", format, args...)
	if len(r.list) > 0 {
		r.list[len(r.list)-1].cause = ErrTooLarge
	}
}

// withinLimits refuses what would cost the YAML reader too much, before it sees it.
func (r *reader) withinLimits(tokens token.Tokens) bool {
	keys, flow, compact, line := 0, 0, 0, 0
	for _, tk := range tokens {
		pos := tk.Position
		if pos.Line != line {
			line, compact = pos.Line, 0
		}
		switch tk.Type {
		case token.MappingValueType:
			keys++
		case token.SequenceStartType, token.MappingStartType:
			flow++
		case token.SequenceEndType, token.MappingEndType:
			flow--
		case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.TagType:
			compact++
		}
		switch {
		case keys > maxKeys:
			r.tooLarge(pos.Line, pos.Column, "more than %d keys", maxKeys)
			return false
		case flow > maxDepth || compact > maxDepth:
			r.tooLarge(pos.Line, pos.Column, "nested more than %d deep", maxDepth)
			return false
		}
	}
	return true
}

// syntax reports what the YAML reader refused.
func (r *reader) syntax(err error) {
	var syntax *yaml.SyntaxError
	if !errors.As(err, &syntax) || syntax.Token == nil || syntax.Token.Position == nil {
		r.fail(1, 1, "", "this is not valid YAML: %v", err)
		return
	}
	pos := syntax.Token.Position
	r.fail(pos.Line, pos.Column, r.unquoted(pos.Line), "this is not valid YAML: %s", syntax.Message)
}

// unquoted is the suggestion for text with {{ }} that lacks its quotes: the most common slip of all.
func (r *reader) unquoted(line int) string {
	if line < 1 || line > len(r.lines) {
		return ""
	}
	_, value, ok := strings.Cut(r.lines[line-1], ":")
	if value = strings.TrimSpace(value); ok && strings.HasPrefix(value, "{{") {
		return fmt.Sprintf("%q, with quotes", value)
	}
	return ""
}

// position is where a node's first character stands.
func position(n ast.Node) (line, column int) {
	switch v := n.(type) {
	case *ast.MappingValueNode:
		return position(v.Key)
	case *ast.MappingNode:
		if !v.IsFlowStyle && len(v.Values) > 0 {
			return position(v.Values[0])
		}
	}
	if tk := n.GetToken(); tk != nil && tk.Position != nil {
		return max(1, tk.Position.Line), max(1, tk.Position.Column)
	}
	return 1, 1
}

// convert builds the node of a YAML node, expanding anchors. It returns nil after reporting a problem.
func (r *reader) convert(n ast.Node, depth int) *node {
	line, column := position(n)
	if r.nodes++; r.nodes > maxNodes {
		if !r.full {
			r.full = true
			r.tooLarge(line, column, "more than %d values once anchors are expanded", maxNodes)
		}
		return nil
	}
	if depth > maxDepth {
		r.tooLarge(line, column, "nested more than %d deep", maxDepth)
		return nil
	}
	out := &node{line: line, column: column, flag: r.flag}
	switch v := n.(type) {
	case *ast.NullNode:
		return out
	case *ast.BoolNode:
		out.kind, out.text = kindBool, v.GetToken().Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		out.kind, out.text = kindNumber, v.GetToken().Value
	case *ast.StringNode:
		out.kind, out.text, out.style = kindText, v.Value, quoting(v.Token)
	case *ast.LiteralNode:
		out.kind, out.text, out.style = kindText, v.Value.Value, styleBlock
	case *ast.SequenceNode:
		return r.sequence(v, out, depth)
	case *ast.MappingNode:
		return r.mapping(v.Values, out, depth)
	case *ast.MappingValueNode:
		return r.mapping([]*ast.MappingValueNode{v}, out, depth)
	case *ast.AnchorNode:
		return r.anchor(v, depth)
	case *ast.AliasNode:
		return r.alias(v, depth)
	case *ast.TagNode:
		return r.fail(line, column, "", "tags such as %s are not used in a scenario", v.GetToken().Value)
	default:
		return r.fail(line, column, "", "this kind of YAML (%s) is not used in a scenario", n.Type())
	}
	return out
}

func quoting(tk *token.Token) style {
	switch tk.Type {
	case token.SingleQuoteType:
		return styleSingle
	case token.DoubleQuoteType:
		return styleDouble
	}
	return stylePlain
}
