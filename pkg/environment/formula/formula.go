package formula

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"

	"github.com/myriad-sim/myriad/pkg/environment/value"
)

var (
	// ErrSyntax says that a text is no expression; where and why is in its words.
	ErrSyntax = errors.New("not an expression")
	// ErrRun says that an expression has no result here, such as a sum of a number and nothing.
	ErrRun = errors.New("no result")
	// ErrCost says that an expression was ended because it did too much.
	ErrCost = errors.New("too much work for an expression")
)

const (
	maxSource = 8 << 10 // bytes
	maxNodes  = 2000    // of the syntax tree
	maxCost   = 1 << 20 // elements walked over and bytes of text made, in one run
)

// Scope is what an expression sees. Its values are in normal form and are not changed.
type Scope struct {
	State    map[string]any
	Args     map[string]any
	Caller   string // address of the agent who asks, "" for a program
	Env      string
	Now      time.Time
	Parent   func() map[string]any // called if the expression reads it; nil result for a root
	Children func() []any          // likewise
}

// Program is a compiled expression. It is immutable and safe for concurrent use.
type Program struct {
	source string
	code   *vm.Program
	reads  map[string]bool
}

// names are what an expression may name, with values of their types for expr's checks.
var names = map[string]any{
	"state": map[string]any{}, "args": map[string]any{}, "caller": "", "env": "", "now": int64(0),
	"parent": map[string]any{}, "children": []any{},
}

// Compile compiles an expression that may name the given arguments, or any if args is nil. The error is ErrSyntax.
func Compile(source string, args []string) (*Program, error) {
	if len(source) > maxSource {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrSyntax, maxSource)
	}
	g := &guard{args: args, reads: map[string]bool{}}
	options := []expr.Option{expr.Env(names), expr.MaxNodes(maxNodes), expr.Patch(g), expr.DisableAllBuiltins()}
	for _, name := range allowed {
		options = append(options, expr.EnableBuiltin(name))
	}
	for name, fn := range functions {
		options = append(options, expr.Function(name, fn))
	}
	code, err := expr.Compile(source, options...)
	if g.err != nil {
		err = g.err
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrSyntax, words(err))
	}
	return &Program{source, code, g.reads}, nil
}

// words is an error of expr without its picture of the source, which shows what the guard put in.
func words(err error) string {
	if e, ok := errors.AsType[*file.Error](err); ok {
		return fmt.Sprintf("at %d: %s", e.From+1, e.Message)
	}
	text, _, _ := strings.Cut(err.Error(), "\n")
	return text
}

// Reads reports whether the program names something of its scope, such as "children".
func (p *Program) Reads(name string) bool { return p.reads[name] }

var machines = sync.Pool{New: func() any { return &vm.VM{MemoryBudget: maxCost} }}

// Eval runs the program. The result is in normal form. Errors are ErrRun and ErrCost.
func (p *Program) Eval(s Scope) (any, error) {
	left := int64(maxCost)
	env := map[string]any{
		"state": s.State, "args": s.Args, "caller": s.Caller, "env": s.Env, "now": s.Now.UnixMilli(), budget: &left,
	}
	if p.reads["parent"] && s.Parent != nil {
		if parent := s.Parent(); parent != nil {
			env["parent"] = parent
		}
	}
	if p.reads["children"] && s.Children != nil {
		env["children"] = s.Children()
	}
	m, _ := machines.Get().(*vm.VM)
	out, err := m.Run(p.code, env)
	machines.Put(m)
	if err == nil {
		out, err = value.Normal(out)
	}
	switch {
	case err == nil:
		return out, nil
	case left <= 0 || strings.Contains(err.Error(), "memory budget exceeded"):
		return nil, fmt.Errorf("%w: %.100s", ErrCost, p.source)
	}
	return nil, fmt.Errorf("%w: %.100s: %s", ErrRun, p.source, words(err))
}

// True runs a program that is a condition. Anything but true or false is ErrRun.
func (p *Program) True(s Scope) (bool, error) {
	out, err := p.Eval(s)
	if err != nil {
		return false, err
	}
	b, ok := out.(bool)
	if !ok {
		return false, fmt.Errorf("%w: %.100s: %T instead of true or false", ErrRun, p.source, out)
	}
	return b, nil
}
