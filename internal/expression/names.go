package expression

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// name rewrites a let variable or a dotted name into what loads it.
func (r *rewriter) name(n ast.Node) (typed, error) {
	if id, ok := n.(*ast.IdentifierNode); ok {
		if k, ok := r.lets[id.Value]; ok {
			return typed{&ast.IdentifierNode{Value: id.Value}, k, false}, nil
		}
	}
	path, at, err := r.path(n)
	if err != nil {
		return typed{}, err
	}
	if err := r.root(path[0], at[0]); err != nil {
		return typed{}, err
	}
	switch path[0] {
	case "round", "size":
		return r.scalar(path, at)
	case "previous":
		if len(path) < 2 || path[1] != "world" {
			return typed{}, r.errAt(at[len(at)-1], "previous has world only: previous.world.<name>")
		}
		return r.member(path[1:], at[1:], "previous.world", r.scope.World)
	case "world":
		return r.member(path, at, "world", r.scope.World)
	case "vars":
		return r.member(path, at, "vars", r.scope.varNames())
	case "persona":
		return r.member(path, at, "persona", r.scope.Persona)
	case "self":
		return r.member(path, at, "self", r.selfNames())
	}
	q := "<question>"
	if len(path) > 1 {
		q = path[1]
	}
	return typed{}, r.errAt(n, "answers.%s is a column of answers: use an aggregate such as mean(answers.%s)", q, q)
}

// path takes a dotted name apart, with the node each part stands in.
func (r *rewriter) path(n ast.Node) (path []string, at []ast.Node, err error) {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		return []string{n.Value}, []ast.Node{n}, nil
	case *ast.MemberNode:
		p, ok := n.Property.(*ast.StringNode)
		if !ok || n.Optional {
			return nil, nil, r.errAt(n, "only names and names in quotes may be looked up")
		}
		if path, at, err = r.path(n.Node); err == nil {
			path, at = append(path, p.Value), append(at, p)
		}
		return path, at, err
	}
	return nil, nil, r.errAt(n, "only names such as world.target have parts")
}

// root checks the first word of a name.
func (r *rewriter) root(name string, at ast.Node) error {
	switch {
	case slices.Contains(r.use.roots, name):
		r.reads[name] = true
		return nil
	case slices.Contains(allRoots, name):
		return r.errAt(at, "%s cannot be used here: %s sees %s", name, r.use.name, strings.Join(r.use.roots, ", "))
	case slices.Contains(laterRoots, name):
		return r.errAt(at, "%s is not yet supported", name)
	}
	known := slices.Clone(r.use.roots)
	for l := range r.lets {
		known = append(known, l)
	}
	err := r.errAt(at, "unknown name %q: %s sees %s", name, r.use.name, strings.Join(r.use.roots, ", "))
	err.Suggestion = Nearest(name, known)
	return err
}

func (r *rewriter) scalar(path []string, at []ast.Node) (typed, error) {
	if len(path) > 1 {
		return typed{}, r.errAt(at[1], "%s is a number and has no parts", path[0])
	}
	get := func(e *Env) (any, error) { return float64(e.Round), nil }
	if path[0] == "size" {
		get = func(e *Env) (any, error) { return float64(e.Size), nil }
	}
	return r.load(path[0], number, get), nil
}

// member loads path[1] of a group of values; path[0] is the group's own word and full its whole name.
func (r *rewriter) member(path []string, at []ast.Node, full string, known []string) (typed, error) {
	if len(path) == 1 {
		return typed{}, r.errAt(at[0], "%s is a group of values: write %s.<name>", full, full)
	}
	key := path[1]
	if !slices.Contains(known, key) {
		err := r.errAt(at[1], "unknown name %s.%s", full, key)
		if len(known) == 0 {
			err.Msg += fmt.Sprintf(": %s has no values here", full)
		}
		err.Suggestion = Nearest(key, known)
		return typed{}, err
	}
	if len(path) > 2 {
		return typed{}, r.errAt(at[2], "%s.%s has no parts", full, key)
	}
	k, name := number, full+"."+key
	switch full {
	case "vars":
		k = r.scope.Vars[key].staticKind()
		return r.load(name, k, loadVar(name, key, k)), nil
	case "persona":
		return r.load(name, text, func(e *Env) (any, error) {
			if s, ok := e.Persona[key]; ok {
				return s, nil
			}
			return nil, fmt.Errorf("%s: %w", name, ErrNoValue)
		}), nil
	}
	from := map[string]func(*Env) map[string]float64{
		"world":          func(e *Env) map[string]float64 { return e.World },
		"previous.world": func(e *Env) map[string]float64 { return e.Previous },
		"self":           func(e *Env) map[string]float64 { return e.Self },
	}[full]
	return r.load(name, k, func(e *Env) (any, error) {
		f, ok := from(e)[key]
		if !ok {
			return nil, fmt.Errorf("%s: %w", name, ErrNoValue)
		}
		if !finite(f) {
			return nil, fmt.Errorf("%s: %w", name, ErrNotFinite)
		}
		return f, nil
	}), nil
}

func loadVar(name, key string, want kind) func(*Env) (any, error) {
	return func(e *Env) (any, error) {
		v, ok := e.Vars[key]
		switch {
		case !ok:
			return nil, fmt.Errorf("%s: %w", name, ErrNoValue)
		case v.staticKind() != want:
			return nil, fmt.Errorf("%s is %v, was %v when compiled: %w", name, v.staticKind(), want, ErrType)
		case want == number:
			return v.num, nil
		case want == truth:
			return v.num != 0, nil
		}
		return v.src, nil
	}
}

// selfNames are the agent's own values an expression may read: answers that are numbers, and its number.
func (r *rewriter) selfNames() []string {
	names := []string{"number"}
	for _, q := range r.scope.questionNames() {
		if t := r.scope.Questions[q]; t == "number" || t == "likert" || t == "choice" {
			names = append(names, q)
		}
	}
	return names
}

// load gives a node that reads a value from the Env.
func (r *rewriter) load(name string, k kind, get func(*Env) (any, error)) typed {
	key := "load " + name
	if r.fns[key] == nil {
		fn := func(args ...any) (any, error) { return get(args[0].(*Env)) }
		register(r.fns, key, fn, []reflect.Type{reflect.TypeFor[any]()}, k)
	}
	env := &ast.IdentifierNode{Value: "$env"}
	return typed{&ast.CallNode{Callee: &ast.IdentifierNode{Value: key}, Arguments: []ast.Node{env}}, k, true}
}

// call gives a node that calls a function of ours.
func (r *rewriter) call(name string, fn func(...any) (any, error), in []kind, out kind, args ...ast.Node) typed {
	key := fmt.Sprint("call ", name, len(args))
	if r.fns[key] == nil {
		types := make([]reflect.Type, len(in))
		for i, k := range in {
			types[i] = goTypes[k]
		}
		register(r.fns, key, fn, types, out)
	}
	return typed{&ast.CallNode{Callee: &ast.IdentifierNode{Value: key}, Arguments: args}, out, false}
}
