package expression

import (
	"errors"
	"fmt"
	"slices"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/optimizer"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"
)

const (
	maxSource = 8 << 10 // bytes
	maxNodes  = 2000    // of the syntax tree; comparisons like a < b < c copy nodes, so the tree is counted again
)

// Compile checks and compiles an expression for a place. Every error is a *CompileError. The program keeps nothing of sc.
func Compile(src string, sc Scope, use Use) (*Program, error) {
	if int(use) >= len(uses) {
		return nil, &CompileError{Msg: fmt.Sprintf("unknown use %d", use)}
	}
	if len(src) > maxSource {
		return nil, &CompileError{Msg: fmt.Sprintf("expression longer than %d bytes", maxSource)}
	}
	tree, err := parse(src)
	if err != nil {
		return nil, asCompileError(src, err)
	}
	r := &rewriter{src: src, scope: sc, use: uses[use], fns: map[string]*builtin.Function{}, reads: map[string]bool{}, lets: map[string]kind{}}
	out, err := r.rewrite(tree.Node)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(r.use.want, out.kind) {
		return nil, r.errAt(tree.Node, "%s must give %v, this gives %v", r.use.name, r.use.want[0], out.kind)
	}
	tree.Node = out.node
	code, err := generate(tree, r.fns)
	if err != nil {
		return nil, asCompileError(src, err)
	}
	return &Program{src: src, code: code, kind: out.kind, reads: r.reads}, nil
}

func parse(src string) (*parser.Tree, error) {
	c := conf.CreateNew()
	c.MaxNodes = maxNodes
	for name := range c.Builtins {
		c.Disabled[name] = true
	}
	// expr parses these two with a predicate, ours take a column. Its other predicate functions (map, filter, ...)
	// stay known to the parser, so that they can be refused by name.
	c.Functions["sum"], c.Functions["count"] = &builtin.Function{}, &builtin.Function{}
	return parser.ParseWithConfig(src, c)
}

func generate(tree *parser.Tree, fns map[string]*builtin.Function) (*vm.Program, error) {
	c := conf.CreateNew()
	c.MaxNodes = 0 // the rewriter has counted
	clear(c.Builtins)
	c.Functions = fns
	if _, err := checker.Check(tree, c); err != nil {
		return nil, err
	}
	if err := optimizer.Optimize(&tree.Node, c); err != nil {
		return nil, err
	}
	return compiler.Compile(tree, c)
}

func (r *rewriter) errAt(n ast.Node, format string, args ...any) *CompileError {
	return &CompileError{Offset: byteOffset(r.src, n.Location().From), Msg: fmt.Sprintf(format, args...)}
}

// byteOffset turns expr's position, counted in runes, into bytes.
func byteOffset(src string, runes int) int {
	for i := range src {
		if runes == 0 {
			return i
		}
		runes--
	}
	return len(src)
}

func asCompileError(src string, err error) *CompileError {
	if fe, ok := errors.AsType[*file.Error](err); ok {
		return &CompileError{Offset: byteOffset(src, fe.From), Msg: fe.Message}
	}
	return &CompileError{Msg: err.Error()}
}
