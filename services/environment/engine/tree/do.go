package tree

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/environment"
	"github.com/myriad-sim/myriad/pkg/environment/value"
)

// LackError says that a call needs the code of a kind that this program has not. It is an ErrNoKind.
type LackError struct{ Kind string }

// Error implements error.
func (e *LackError) Error() string {
	return fmt.Sprintf("%v of environment: %q", wire.ErrNoKind, e.Kind)
}

// Unwrap implements errors.Unwrap.
func (e *LackError) Unwrap() error { return wire.ErrNoKind }

// Do does a call at a time (see Now) and returns its outcome and what of it is to be recorded, nil for nothing. The error is
// a LackError; nothing was done then. A call that fails changes nothing.
func (t *Tree) Do(c *Call, now time.Time) (Outcome, *Entry, error) {
	if c.ID != "" {
		if out, known := t.outcomes.of[key(c)]; known {
			return out, nil, nil
		}
	}
	x := &txn{t: t, caller: c.Caller, now: now, entry: &Entry{Env: c.Env, Function: c.Function, Caller: string(c.Caller), ID: c.ID}}
	mark := t.Mark()
	v, err := x.do(c)
	if lack, ok := errors.AsType[*LackError](err); ok {
		t.Undo(mark)
		return Outcome{}, nil, lack
	}
	out := Outcome{Value: v}
	if err != nil {
		t.Undo(mark)
		out = failed(err)
		x.entry.Ops, x.entry.Tells = nil, nil
	}
	if c.ID != "" && !Reads(c.Function) && (t.Exists() || len(x.entry.Ops) > 0) {
		x.entry.Outcome = &out
		t.later(t.outcomes.keep(key(c), out))
	}
	if x.entry.Outcome == nil && len(x.entry.Ops) == 0 && len(x.entry.Tells) == 0 {
		return out, nil, nil
	}
	return out, x.entry, nil
}

// do runs the function and then the listeners.
func (x *txn) do(c *Call) (any, error) {
	if c.Function == create {
		err := x.create(c)
		if err == nil {
			x.listeners()
		}
		return nil, err
	}
	if kind := x.t.Lacks(); kind != "" {
		return nil, &LackError{kind}
	}
	e, ok := x.t.envs[c.Env]
	if !ok {
		return nil, fmt.Errorf("%w: %q", wire.ErrNoEnvironment, c.Env)
	}
	v, err := x.call(e, c.Function, c.Args)
	if err == nil {
		x.listeners()
	}
	return v, err
}

// maxNesting is how deeply functions may call each other.
const maxNesting = 64

// call runs a function of an environment; one that fails takes back what it did.
func (x *txn) call(e *env, function string, given any) (out any, err error) {
	var f environment.Function
	if b, ok := builtinOf(function); ok {
		f = environment.Function{Args: b.args, Do: func(tx environment.Tx, args environment.Args) (any, error) {
			return b.do(&view{x, e}, args)
		}}
	} else if f, ok = e.code.Functions[function]; !ok {
		return nil, fmt.Errorf("%w: %s has no %q", wire.ErrNoFunction, e.name, function)
	}
	args, err := bind(f.Args, given)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", function, err)
	}
	if x.depth++; x.depth > maxNesting {
		return nil, fmt.Errorf("%w: more than %d functions call each other", wire.ErrBadRequest, maxNesting)
	}
	defer func() { x.depth-- }()
	x.called = append(x.called, called{e, function})
	mark, ops, tells, before := x.t.Mark(), len(x.entry.Ops), len(x.entry.Tells), len(x.called)-1
	out, err = guarded(func() (any, error) {
		out, err := f.Do(&view{x, e}, args)
		if err != nil {
			return nil, err
		}
		return value.Normal(out) // which may run code of users too
	})
	if err != nil {
		x.t.Undo(mark)
		x.entry.Ops, x.entry.Tells, x.called = x.entry.Ops[:ops], x.entry.Tells[:tells], x.called[:before]
		return nil, err
	}
	return out, nil
}

// guarded runs code of users: what would end the program ends the call.
func guarded[T any](code func() (T, error)) (out T, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: it panicked: %v", wire.ErrFailed, r)
		}
	}()
	return code()
}

// build makes the code of a kind. The error is a LackError if this program has not the kind.
func (t *Tree) build(kind string, config []byte) (*environment.Code, error) {
	makes, err := t.kinds.Find(kind)
	if err != nil {
		return nil, &LackError{kind}
	}
	code, err := guarded(func() (*environment.Code, error) { return makes(config) })
	if err == nil && code == nil {
		err = fmt.Errorf("%w: kind %s made nothing", wire.ErrFailed, kind)
	}
	return code, err
}

// bind makes arguments of what came with a call: a map holds them by name, anything else is the first.
func bind(declared []string, given any) (environment.Args, error) {
	args := environment.Args{}
	switch v := given.(type) {
	case nil:
	case map[string]any:
		args = v
	default:
		if len(declared) == 0 {
			return nil, fmt.Errorf("%w: it has no arguments", wire.ErrBadRequest)
		}
		args[strings.TrimSuffix(declared[0], "?")] = v
	}
	known := 0
	for _, d := range declared {
		name := strings.TrimSuffix(d, "?")
		if _, ok := args[name]; ok {
			known++
		} else if name == d {
			return nil, fmt.Errorf("%w: argument %s is missing; there are %s", wire.ErrBadRequest, name, strings.Join(declared, ", "))
		}
	}
	if known == len(args) {
		return args, nil
	}
	for name := range args {
		found := false
		for _, d := range declared {
			found = found || strings.TrimSuffix(d, "?") == name
		}
		if !found {
			return nil, fmt.Errorf("%w: there is no argument %.60q; there are %s", wire.ErrBadRequest, name, strings.Join(declared, ", "))
		}
	}
	return args, nil
}
