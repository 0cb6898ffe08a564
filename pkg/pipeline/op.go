package pipeline

import (
	"context"
	"errors"
	"fmt"

	"github.com/myriad-sim/myriad/pkg/msg"
)

var (
	// ErrNoOp says that there is nothing where a pipeline needs an Op.
	ErrNoOp = errors.New("pipeline: there is no op here")
	// ErrNoWaiter says that a decision needs what was promised and has no Waiter.
	ErrNoWaiter = errors.New("pipeline: a decision about a promise needs a Waiter")
	// ErrNotOne says that several messages would have to pass as one, because there is no op between.
	ErrNotOne = errors.New("pipeline: several messages cannot pass as one")
	// ErrRounds says that a loop did not end within its bound.
	ErrRounds = errors.New("pipeline: the loop did not end")
	// ErrPanic says that an op of a fanout panicked; the text says how and where.
	ErrPanic = errors.New("pipeline: an op panicked")
)

// Op takes messages and gives one. Messages that go in and the one that comes out may be promises; an Op that reads them
// resolves them first.
type Op interface {
	Call(ctx context.Context, in ...msg.Msg) (msg.Msg, error)
}

// Func is an Op in plain Go, for example the method Call of an *agent.Ref.
type Func func(ctx context.Context, in ...msg.Msg) (msg.Msg, error)

// Call implements Op. Of a nil Func the error is ErrNoOp.
func (f Func) Call(ctx context.Context, in ...msg.Msg) (msg.Msg, error) {
	if f == nil {
		return msg.Msg{}, ErrNoOp
	}
	return f(ctx, in...)
}

// Waiter waits for what a message promises; a message that is no promise comes back as it is. An *agent.Client is one.
type Waiter interface {
	Resolve(ctx context.Context, m msg.Msg) (msg.Msg, error)
}

// Cond decides by messages, none of which is a promise.
type Cond func(ctx context.Context, in ...msg.Msg) (bool, error)

// Choice picks a case by messages, none of which is a promise.
type Choice func(ctx context.Context, in ...msg.Msg) (string, error)

// call runs an op that has to be there.
func call(ctx context.Context, op Op, in ...msg.Msg) (msg.Msg, error) {
	if op == nil {
		return msg.Msg{}, ErrNoOp
	}
	if ctx.Err() != nil {
		return msg.Msg{}, context.Cause(ctx)
	}
	return op.Call(ctx, in...)
}

// callOrPass runs an op, or passes the input on where there is none.
func callOrPass(ctx context.Context, op Op, in ...msg.Msg) (msg.Msg, error) {
	if op == nil {
		return pass(in)
	}
	return call(ctx, op, in...)
}

// pass is the result of doing nothing: no message is an empty one.
func pass(in []msg.Msg) (msg.Msg, error) {
	switch len(in) {
	case 0:
		return msg.Msg{}, nil
	case 1:
		return in[0], nil
	}
	return msg.Msg{}, fmt.Errorf("%w: there are %d", ErrNotOne, len(in))
}

// read replaces promises by what was promised.
func read(ctx context.Context, w Waiter, in []msg.Msg) ([]msg.Msg, error) {
	for _, m := range in {
		if !m.Pending() {
			continue
		}
		if w == nil {
			return nil, ErrNoWaiter
		}
		return Gather(ctx, w, in...)
	}
	return in, nil
}
