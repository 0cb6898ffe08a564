package expression

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
)

// functionNames are all functions a source text may call, sorted.
func functionNames() []string {
	names := []string{"quantile", "share"}
	names = slices.AppendSeq(names, maps.Keys(aggregates))
	names = slices.AppendSeq(names, maps.Keys(functions))
	slices.Sort(names)
	return slices.Compact(names)
}

func (r *rewriter) callNode(n *ast.CallNode) (typed, error) {
	id, ok := n.Callee.(*ast.IdentifierNode)
	if !ok {
		return typed{}, r.errAt(n, "only functions may be called, values have none")
	}
	name := id.Value
	fn, plain := functions[name]
	_, overColumn := aggregates[name]
	switch {
	case name == "quantile" || name == "share" || (overColumn && (!plain || isAnswers(n.Arguments))):
		return r.aggregate(n, name)
	case plain:
		return r.plain(n, name, fn)
	}
	err := r.errAt(n, "unknown function %s", name)
	if _, ok := builtin.Index[name]; ok {
		err.Msg = fmt.Sprintf("the function %s is not available in scenarios", name)
	}
	err.Suggestion = Nearest(name, functionNames())
	return typed{}, err
}

// isAnswers reports whether the first argument names answers, right or wrong.
func isAnswers(args []ast.Node) bool {
	if len(args) == 0 {
		return false
	}
	n := args[0]
	for {
		m, ok := n.(*ast.MemberNode)
		if !ok {
			break
		}
		n = m.Node
	}
	id, ok := n.(*ast.IdentifierNode)
	return ok && id.Value == "answers"
}

func (r *rewriter) plain(n *ast.CallNode, name string, fn function) (typed, error) {
	if len(n.Arguments) != len(fn.params) && !(fn.variadic && len(n.Arguments) > 0) {
		return typed{}, r.errAt(n, "%s wants %d arguments, got %d", name, len(fn.params), len(n.Arguments))
	}
	in, args := make([]kind, len(n.Arguments)), make([]ast.Node, len(n.Arguments))
	for i, a := range n.Arguments {
		in[i] = fn.params[min(i, len(fn.params)-1)]
		x, err := r.operand(a, in[i], a, name)
		if err != nil {
			return typed{}, err
		}
		args[i] = x.node
	}
	return r.call(name, fn.call, in, number, args...), nil
}

// aggregate rewrites a function of a column of answers.
func (r *rewriter) aggregate(n *ast.CallNode, name string) (typed, error) {
	q, err := r.column(n, name)
	if err != nil {
		return typed{}, err
	}
	if name == "quantile" || name == "share" {
		if len(n.Arguments) != 2 {
			return typed{}, r.errAt(n, "%s wants answers.<question> and one more argument", name)
		}
	} else if len(n.Arguments) != 1 {
		return typed{}, r.errAt(n, "%s of answers wants one argument, got %d", name, len(n.Arguments))
	}
	qtype := r.scope.Questions[q]
	switch {
	case name == "share":
		return r.share(n, q, qtype)
	case name != "count" && qtype != "number" && qtype != "likert":
		return typed{}, r.errAt(n, "%s wants a question answered with numbers; %s is a %s question", name, q, qtype)
	case name == "quantile":
		return r.quantile(n, q)
	}
	f := aggregates[name]
	full := fmt.Sprintf("%s(answers.%s)", name, q)
	return r.load(full, number, func(e *Env) (any, error) { return aggregateOf(e, q, full, f) }), nil
}

func aggregateOf(e *Env, q, full string, f aggregate) (any, error) {
	c, ok := e.Answers[q]
	if !ok {
		return nil, fmt.Errorf("%s: %w", full, ErrNoValue)
	}
	v, ok := f(c)
	switch {
	case !ok:
		return nil, fmt.Errorf("%s: %w", full, ErrNoAnswers)
	case !finite(v):
		return nil, fmt.Errorf("%s: %w", full, ErrNotFinite)
	}
	return v, nil
}

// column reads the first argument, which must be answers.<question>.
func (r *rewriter) column(n *ast.CallNode, name string) (string, error) {
	if !isAnswers(n.Arguments) {
		at := ast.Node(n)
		if len(n.Arguments) > 0 {
			at = n.Arguments[0]
		}
		if !slices.Contains(r.use.roots, "answers") {
			return "", r.errAt(n, "%s is about answers, which %s does not see", name, r.use.name)
		}
		return "", r.errAt(at, "%s wants answers.<question> first", name)
	}
	path, at, err := r.path(n.Arguments[0])
	if err != nil {
		return "", err
	}
	if err := r.root("answers", at[0]); err != nil {
		return "", err
	}
	if len(path) != 2 {
		return "", r.errAt(at[len(at)-1], "%s wants answers.<question>", name)
	}
	if _, ok := r.scope.Questions[path[1]]; !ok {
		err := r.errAt(at[1], "unknown question answers.%s", path[1])
		err.Suggestion = Nearest(path[1], r.scope.questionNames())
		return "", err
	}
	return path[1], nil
}

func (r *rewriter) share(n *ast.CallNode, q, qtype string) (typed, error) {
	if qtype != "choice" {
		return typed{}, r.errAt(n, "share wants a choice question; %s is a %s question", q, qtype)
	}
	s, ok := n.Arguments[1].(*ast.StringNode)
	if !ok {
		return typed{}, r.errAt(n.Arguments[1], "share wants a choice in quotes")
	}
	index := slices.Index(r.scope.Choices[q], s.Value)
	if index < 0 {
		err := r.errAt(s, "%q is not a choice of %s", s.Value, q)
		err.Suggestion = Nearest(s.Value, r.scope.Choices[q])
		return typed{}, err
	}
	full := fmt.Sprintf("share(answers.%s, %q)", q, s.Value)
	return r.load(full, number, func(e *Env) (any, error) {
		return aggregateOf(e, q, full, func(c Column) (float64, bool) { return c.Share(index) })
	}), nil
}

func (r *rewriter) quantile(n *ast.CallNode, q string) (typed, error) {
	p, err := r.operand(n.Arguments[1], number, n.Arguments[1], "quantile")
	if err != nil {
		return typed{}, err
	}
	if f, ok := p.node.(*ast.FloatNode); ok && f.Value > 1 {
		return typed{}, r.errAt(n.Arguments[1], "quantile wants a share from 0 to 1")
	}
	full := fmt.Sprintf("quantile(answers.%s)", q)
	fn := func(args ...any) (any, error) {
		share := args[1].(float64)
		if !(share >= 0 && share <= 1) {
			return nil, fmt.Errorf("%s: share %v is not from 0 to 1: %w", full, share, ErrArgument)
		}
		return aggregateOf(args[0].(*Env), q, full, func(c Column) (float64, bool) { return c.Quantile(share) })
	}
	if r.fns[full] == nil {
		register(r.fns, full, fn, []reflect.Type{reflect.TypeFor[any](), goTypes[number]}, number)
	}
	callee, env := &ast.IdentifierNode{Value: full}, &ast.IdentifierNode{Value: "$env"}
	return typed{&ast.CallNode{Callee: callee, Arguments: []ast.Node{env, p.node}}, number, true}, nil
}
