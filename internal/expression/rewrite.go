package expression

import (
	"slices"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
)

// rewriter checks a syntax tree and builds the tree that is run: integers become floats, names become calls that load
// them from the Env, functions are ours. It never reuses a node of the source tree, because expr shares nodes there.
type rewriter struct {
	src   string
	scope Scope
	use   useSpec
	fns   map[string]*builtin.Function // what the new tree calls
	reads map[string]bool
	lets  map[string]kind
	nodes int
}

// typed is a rewritten node with its static type.
type typed struct {
	node ast.Node
	kind kind
	safe bool // a number known to be finite: a literal or a loaded value
}

func (r *rewriter) rewrite(n ast.Node) (typed, error) {
	if r.nodes++; r.nodes > maxNodes {
		return typed{}, r.errAt(n, "expression too complicated")
	}
	switch n := n.(type) {
	case *ast.IntegerNode:
		return r.literal(&ast.FloatNode{Value: float64(n.Value)}, number), nil
	case *ast.FloatNode:
		return r.literal(&ast.FloatNode{Value: n.Value}, number), nil
	case *ast.StringNode:
		return r.literal(&ast.StringNode{Value: n.Value}, text), nil
	case *ast.BoolNode:
		return r.literal(&ast.BoolNode{Value: n.Value}, truth), nil
	case *ast.IdentifierNode, *ast.MemberNode:
		return r.name(n)
	case *ast.UnaryNode:
		return r.unary(n)
	case *ast.BinaryNode:
		return r.binary(n)
	case *ast.ConditionalNode:
		return r.conditional(n)
	case *ast.CallNode:
		return r.callNode(n)
	case *ast.VariableDeclaratorNode:
		return r.let(n)
	case *ast.BuiltinNode:
		return typed{}, r.errAt(n, "%s is refused: it would go through every answer; use an aggregate such as mean(answers.<question>)", n.Name)
	case *ast.NilNode:
		return typed{}, r.errAt(n, "there is no nil: a name without a value is an error")
	case *ast.ArrayNode:
		return typed{}, r.errAt(n, "a list may only stand to the right of in")
	case *ast.ChainNode:
		return typed{}, r.errAt(n, "?. is not supported: names are checked beforehand")
	case *ast.SliceNode, *ast.MapNode, *ast.BytesNode, *ast.SequenceNode:
		return typed{}, r.errAt(n, "lists, maps, bytes and sequences are refused: an expression works on single values")
	}
	return typed{}, r.errAt(n, "not supported here")
}

func (r *rewriter) literal(n ast.Node, k kind) typed { return typed{n, k, true} }

func (r *rewriter) unary(n *ast.UnaryNode) (typed, error) {
	want := number
	if n.Operator == "!" || n.Operator == "not" {
		want = truth
	}
	x, err := r.operand(n.Node, want, n, n.Operator)
	if err != nil {
		return typed{}, err
	}
	return typed{&ast.UnaryNode{Operator: n.Operator, Node: x.node}, want, x.safe}, nil
}

// operand rewrites one side of an operator and demands its type.
func (r *rewriter) operand(n ast.Node, want kind, at ast.Node, op string) (typed, error) {
	x, err := r.rewrite(n)
	if err == nil && x.kind != want {
		hint := ""
		if want == number && x.kind == text {
			hint = "; number(...) reads a number from text"
		}
		err = r.errAt(at, "%s wants %v, got %v%s", op, want, x.kind, hint)
	}
	return x, err
}

func (r *rewriter) binary(n *ast.BinaryNode) (typed, error) {
	switch n.Operator {
	case "&&", "and", "||", "or":
		return r.same(n, truth, truth)
	case "<", "<=", ">", ">=":
		return r.same(n, number, truth)
	case "-", "*", "/", "**", "^":
		return r.same(n, number, number)
	case "%":
		out, err := r.same(n, number, number)
		if err != nil {
			return typed{}, err
		}
		return r.call("%", modulo, []kind{number, number}, number, out.node.(*ast.BinaryNode).Left, out.node.(*ast.BinaryNode).Right), nil
	case "contains", "startsWith", "endsWith":
		return r.same(n, text, truth)
	case "matches":
		return r.matches(n)
	case "+", "==", "!=":
		return r.sameAny(n)
	case "in":
		return r.in(n)
	case "..":
		return typed{}, r.errAt(n, "ranges are refused: they would make lists")
	case "??":
		return typed{}, r.errAt(n, "?? is not supported: a name without a value is an error; test round or size instead")
	}
	return typed{}, r.errAt(n, "operator %s is not supported", n.Operator)
}

// same rewrites an operator whose sides have the type in.
func (r *rewriter) same(n *ast.BinaryNode, in, out kind) (typed, error) {
	a, err := r.operand(n.Left, in, n, n.Operator)
	if err != nil {
		return typed{}, err
	}
	b, err := r.operand(n.Right, in, n, n.Operator)
	if err != nil {
		return typed{}, err
	}
	if in == number && out == truth {
		a, b = r.guard(a), r.guard(b)
	}
	return typed{&ast.BinaryNode{Operator: n.Operator, Left: a.node, Right: b.node}, out, false}, nil
}

// sameAny rewrites an operator that takes any type, the same on both sides.
func (r *rewriter) sameAny(n *ast.BinaryNode) (typed, error) {
	a, err := r.rewrite(n.Left)
	if err != nil {
		return typed{}, err
	}
	b, err := r.rewrite(n.Right)
	if err != nil {
		return typed{}, err
	}
	if a.kind != b.kind || a.kind == mixed || (n.Operator == "+" && a.kind == truth) {
		return typed{}, r.errAt(n, "%s cannot combine %v and %v", n.Operator, a.kind, b.kind)
	}
	if n.Operator == "+" {
		if a.kind == text {
			return r.call("+", concat, []kind{text, text}, text, a.node, b.node), nil
		}
		return typed{&ast.BinaryNode{Operator: "+", Left: a.node, Right: b.node}, number, false}, nil
	}
	a, b = r.guard(a), r.guard(b)
	return typed{&ast.BinaryNode{Operator: n.Operator, Left: a.node, Right: b.node}, truth, false}, nil
}

// guard makes a number that decides something fail when it is not finite.
func (r *rewriter) guard(x typed) typed {
	if x.kind != number || x.safe {
		return x
	}
	out := r.call("finite", finiteFn, []kind{number}, number, x.node)
	out.safe = true
	return out
}

func (r *rewriter) matches(n *ast.BinaryNode) (typed, error) {
	p, ok := n.Right.(*ast.StringNode)
	if !ok {
		return typed{}, r.errAt(n, "matches wants a pattern in quotes on its right")
	}
	if err := validPattern(p.Value); err != nil {
		return typed{}, r.errAt(p, "%v", err)
	}
	return r.same(n, text, truth)
}

func (r *rewriter) in(n *ast.BinaryNode) (typed, error) {
	list, ok := n.Right.(*ast.ArrayNode)
	if !ok || len(list.Nodes) == 0 {
		return typed{}, r.errAt(n, `in wants a list such as ["a", "b"] on its right`)
	}
	a, err := r.rewrite(n.Left)
	if err != nil {
		return typed{}, err
	}
	if a.kind == mixed {
		return typed{}, r.errAt(n, "in wants one type on its left, got %v", a.kind)
	}
	out := &ast.ArrayNode{}
	for _, e := range list.Nodes {
		x, err := r.operand(e, a.kind, e, "in")
		if err != nil {
			return typed{}, err
		}
		out.Nodes = append(out.Nodes, r.guard(x).node)
	}
	return typed{&ast.BinaryNode{Operator: "in", Left: r.guard(a).node, Right: out}, truth, false}, nil
}

func (r *rewriter) conditional(n *ast.ConditionalNode) (typed, error) {
	if n.Cond == n.Exp1 {
		return typed{}, r.errAt(n.Cond, "?: is not supported; write condition ? a : b")
	}
	c, err := r.operand(n.Cond, truth, n.Cond, "a condition")
	if err != nil {
		return typed{}, err
	}
	a, err := r.rewrite(n.Exp1)
	if err != nil {
		return typed{}, err
	}
	b, err := r.rewrite(n.Exp2)
	if err != nil {
		return typed{}, err
	}
	out := typed{&ast.ConditionalNode{Ternary: true, Cond: c.node, Exp1: a.node, Exp2: b.node}, a.kind, a.safe && b.safe}
	if a.kind != b.kind {
		if a.kind == truth || b.kind == truth {
			return typed{}, r.errAt(n.Exp2, "a condition gives %v or %v; both must be alike", a.kind, b.kind)
		}
		out.kind, out.safe = mixed, false
	}
	return out, nil
}

func (r *rewriter) let(n *ast.VariableDeclaratorNode) (typed, error) {
	_, taken := r.lets[n.Name]
	if taken || slices.Contains(allRoots, n.Name) || slices.Contains(laterRoots, n.Name) || slices.Contains(functionNames(), n.Name) {
		return typed{}, r.errAt(n, "the name %s is taken", n.Name)
	}
	v, err := r.rewrite(n.Value)
	if err != nil {
		return typed{}, err
	}
	r.lets[n.Name] = v.kind
	body, err := r.rewrite(n.Expr)
	delete(r.lets, n.Name)
	if err != nil {
		return typed{}, err
	}
	return typed{&ast.VariableDeclaratorNode{Name: n.Name, Value: v.node, Expr: body.node}, body.kind, false}, nil
}
