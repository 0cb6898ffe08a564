package expression

import (
	"errors"
	"fmt"
	"sync"

	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"
)

// Program is a compiled expression. It is immutable and safe for concurrent use.
type Program struct {
	src   string
	code  *vm.Program
	kind  kind
	reads map[string]bool
}

// Source returns the text the program was compiled from.
func (p *Program) Source() string { return p.src }

// Reads reports whether the program uses a root such as "persona", so callers can leave out what it does not need.
func (p *Program) Reads(root string) bool { return p.reads[root] }

// Number runs a program that gives a number. The result is always finite; errors are ErrNotFinite, ErrNoAnswers,
// ErrNoValue, ErrType, ErrArgument or ErrTooLong.
func (p *Program) Number(e Env) (float64, error) {
	out, err := p.Any(e)
	if err != nil {
		return 0, err
	}
	f, ok := out.(float64)
	if !ok {
		return 0, p.fail(fmt.Errorf("want %v, got %v: %w", number, p.kind, ErrType))
	}
	return f, nil
}

// Bool runs a program that gives true or false. Errors as Number.
func (p *Program) Bool(e Env) (bool, error) {
	out, err := p.Any(e)
	if err != nil {
		return false, err
	}
	b, ok := out.(bool)
	if !ok {
		return false, p.fail(fmt.Errorf("want %v, got %v: %w", truth, p.kind, ErrType))
	}
	return b, nil
}

// Any runs the program and returns a float64 or a string, or for a stop rule a bool. Errors as Number.
func (p *Program) Any(e Env) (any, error) {
	m := machines.Get().(*machine)
	m.env = e
	out, err := m.vm.Run(p.code, &m.env)
	m.env = Env{}
	machines.Put(m)
	if err != nil {
		return nil, p.fail(err)
	}
	if f, ok := out.(float64); ok && !finite(f) {
		return nil, p.fail(ErrNotFinite)
	}
	return out, nil
}

// machine keeps a stack and the environment of one run, so that a run need not allocate them.
type machine struct {
	vm  vm.VM
	env Env
}

const memoryBudget = 1 << 12 // elements of list literals; nothing else may grow

var machines = sync.Pool{New: func() any { return &machine{vm: vm.VM{MemoryBudget: memoryBudget}} }}

// fail names the expression and drops expr's picture of the source, which shows rewritten names.
func (p *Program) fail(err error) error {
	if fe, ok := errors.AsType[*file.Error](err); ok {
		if fe.Prev != nil {
			err = fe.Prev
		} else {
			err = errors.New(fe.Message)
		}
	}
	src := p.src
	if len(src) > 80 {
		src = src[:80] + "…"
	}
	return fmt.Errorf("%s: %w", src, err)
}
