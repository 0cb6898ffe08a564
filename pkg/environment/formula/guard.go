package formula

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// budget is the name under which a run's environment holds what it may still spend; charge takes from it. Sources cannot
// name either.
const (
	budget = "$budget"
	charge = "$charge"
)

// allowed are expr's functions that have no effect, read no clock and cost no more than their arguments are long. Missing are
// those that make more of less (repeat, fromJSON), compare all with all (uniq), and those over maps, which are ours below.
var allowed = []string{
	"all", "none", "any", "one", "filter", "map", "find", "findIndex", "count", "sum", "sortBy", "reduce", "len", "type", "abs",
	"ceil", "floor", "round", "int", "float", "string", "trim", "upper", "lower", "split", "join", "indexOf", "hasPrefix",
	"hasSuffix", "max", "min", "mean", "median", "first", "last", "take", "reverse", "concat", "flatten", "sort",
}

// functions are ours: expr's own give the elements of a map in any order.
var functions = map[string]func(...any) (any, error){
	charge: spend,
	"keys": func(args ...any) (any, error) { return each(args, func(k string, _ any) any { return k }) },
	"values": func(args ...any) (any, error) {
		return each(args, func(_ string, v any) any { return v })
	},
	"toPairs": func(args ...any) (any, error) {
		return each(args, func(k string, v any) any { return []any{k, v} })
	},
}

func each(args []any, take func(k string, v any) any) (any, error) {
	if len(args) != 1 {
		return nil, fmt.Errorf("one map is wanted, %d arguments given", len(args))
	}
	m, ok := args[0].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("a map is wanted, not %T", args[0])
	}
	out := make([]any, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, take(k, m[k]))
	}
	return out, nil
}

var errSpent = errors.New("spent")

// spend is called with the environment of a run and a value; it takes what the value is long and gives the value.
func spend(args ...any) (any, error) {
	env, ok := args[0].(map[string]any)
	left, have := env[budget].(*int64)
	if !ok || !have {
		return nil, errSpent
	}
	*left -= 1 + length(args[1])
	if *left <= 0 {
		return nil, errSpent
	}
	return args[1], nil
}

func length(v any) int64 {
	switch v := v.(type) {
	case string:
		return int64(len(v))
	case []any:
		return int64(len(v))
	case map[string]any:
		return int64(len(v))
	case []string:
		return int64(len(v))
	}
	return 0
}

// guard goes over a syntax tree: it notes what is read, refuses names that are not for sources, and wraps what may be
// long or often done into charge.
type guard struct {
	args  []string
	reads map[string]bool
	err   error
}

// Visit implements ast.Visitor. Nodes are visited after those below them.
func (g *guard) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		if strings.HasPrefix(n.Value, "$") {
			g.refuse(n, "the name %s is not known here", n.Value)
		}
		g.reads[n.Value] = true
	case *ast.MemberNode:
		g.member(n)
	case *ast.PredicateNode:
		n.Node = wrap(n.Node)
	case *ast.BuiltinNode:
		wrapAll(n.Arguments)
	case *ast.CallNode:
		wrapAll(n.Arguments)
	case *ast.SliceNode:
		n.Node = wrap(n.Node)
	case *ast.BinaryNode:
		switch n.Operator {
		case "and", "or", "&&", "||", "??":
			return
		}
		n.Left, n.Right = wrap(n.Left), wrap(n.Right)
	}
}

func (g *guard) member(n *ast.MemberNode) {
	root, ok := n.Node.(*ast.IdentifierNode)
	name, text := n.Property.(*ast.StringNode)
	if ok && text && root.Value == "args" && g.args != nil && !slices.Contains(g.args, name.Value) {
		g.refuse(n, "there is no argument %s; there are %s", name.Value, strings.Join(g.args, ", "))
	}
}

func (g *guard) refuse(n ast.Node, format string, args ...any) {
	if g.err == nil {
		g.err = fmt.Errorf("at %d: %s", n.Location().From+1, fmt.Sprintf(format, args...))
	}
}

func wrapAll(nodes []ast.Node) {
	for i := range nodes {
		nodes[i] = wrap(nodes[i])
	}
}

// wrap makes a node charge for its value. Literals are as long as the source; predicates were wrapped inside.
func wrap(n ast.Node) ast.Node {
	switch n.(type) {
	case *ast.PredicateNode, *ast.NilNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.StringNode, *ast.ConstantNode:
		return n
	}
	out := &ast.CallNode{Callee: &ast.IdentifierNode{Value: charge}, Arguments: []ast.Node{&ast.IdentifierNode{Value: "$env"}, n}}
	out.SetLocation(n.Location())
	return out
}
