package formula

import (
	"errors"
	"fmt"
	"maps"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// budget is the name under which a run's environment holds what it may still spend; charge takes from it what a value is
// long, chargeAll what it is long with all that is in it, and chargeMatch what a pattern costs on a text. Sources cannot name
// any of them.
const (
	budget    = "$budget"
	charge    = "$charge"
	chargeAll = "$chargeAll"

	chargeMatch = "$chargeMatch"
)

// deep are functions that walk over what is in the elements of their arguments too.
var deep = []string{"flatten", "join", "max", "mean", "median", "min", "string", "sum"}

// allowed are expr's functions that have no effect, read no clock and cost no more than their arguments are long. Missing are
// those that make more of less (repeat, fromJSON), compare all with all (uniq), and those over maps, which are ours below.
var allowed = []string{
	"all", "none", "any", "one", "filter", "map", "find", "findIndex", "count", "sum", "sortBy", "reduce", "len", "type", "abs",
	"ceil", "floor", "round", "int", "float", "string", "trim", "upper", "lower", "split", "join", "indexOf", "hasPrefix",
	"hasSuffix", "max", "min", "mean", "median", "first", "last", "take", "reverse", "concat", "flatten", "sort",
}

// functions are ours: expr's own give the elements of a map in any order.
var functions = map[string]func(...any) (any, error){
	charge:    func(args ...any) (any, error) { return spend(args, length) },
	chargeAll: func(args ...any) (any, error) { return spend(args, total) },
	chargeMatch: func(args ...any) (any, error) {
		return spend(args, func(text any) int64 { return length(text) * (1 + steps(args[2])/8) })
	},
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
func spend(args []any, length func(any) int64) (any, error) {
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

// steps is how many places a pattern has: what a text is matched with takes up to so many steps for each of its bytes. A
// pattern that is none has 0; its error is that of the match.
func steps(pattern any) int64 {
	text, _ := pattern.(string)
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return 0
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return 0
	}
	return int64(len(program.Inst))
}

// total is length with that of all elements.
func total(v any) int64 {
	n := length(v)
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			n += total(e)
		}
	case map[string]any:
		for k, e := range v {
			n += int64(len(k)) + total(e)
		}
	}
	return n
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
		n.Node = wrap(n.Node, charge)
	case *ast.BuiltinNode:
		by := charge
		if slices.Contains(deep, n.Name) {
			by = chargeAll
		}
		wrapAll(n.Arguments, by)
	case *ast.CallNode:
		wrapAll(n.Arguments, charge)
	case *ast.SliceNode:
		n.Node = wrap(n.Node, charge)
	case *ast.BinaryNode:
		by := charge
		switch n.Operator {
		case "and", "or", "&&", "||", "??":
			return
		case "matches":
			n.Left = spending(chargeMatch, n.Left, n.Right)
		case "==", "!=", "in":
			if !literal(n.Left) && !literal(n.Right) {
				by = chargeAll // what is equal so far is compared to the end
			}
		}
		n.Left, n.Right = wrap(n.Left, by), wrap(n.Right, by)
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

func wrapAll(nodes []ast.Node, by string) {
	for i := range nodes {
		nodes[i] = wrap(nodes[i], by)
	}
}

// literal reports whether a node is a value that the source spells out, which is no longer than the source.
func literal(n ast.Node) bool {
	switch n.(type) {
	case *ast.NilNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.StringNode, *ast.ConstantNode:
		return true
	}
	return false
}

// wrap makes a node charge for its value. Predicates were wrapped inside.
func wrap(n ast.Node, by string) ast.Node {
	if _, inside := n.(*ast.PredicateNode); inside || literal(n) {
		return n
	}
	return spending(by, n)
}

// spending calls a function that charges for the first of its arguments and gives it.
func spending(by string, args ...ast.Node) ast.Node {
	out := &ast.CallNode{Callee: &ast.IdentifierNode{Value: by}, Arguments: append([]ast.Node{&ast.IdentifierNode{Value: "$env"}}, args...)}
	out.SetLocation(args[0].Location())
	return out
}
