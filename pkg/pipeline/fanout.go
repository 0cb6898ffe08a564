package pipeline

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/myriad-sim/myriad/pkg/msg"
)

// Fanout gives one message to all ops, side by side, and returns what came of it in their order, which may be promises.
// Where ops fail it returns the others' messages, empty ones in place of those that are missing, and an error that names
// each op that failed.
func Fanout(ctx context.Context, in msg.Msg, ops ...Op) ([]msg.Msg, error) {
	return fanout(ctx, []msg.Msg{in}, ops)
}

// Gather waits for all messages and returns them in order. Where some fail it still waits for the others and returns them,
// empty ones in place of those that are missing, and an error that names each that failed.
func Gather(ctx context.Context, w Waiter, list ...msg.Msg) ([]msg.Msg, error) {
	return each(len(list), "message %d of %d", func(i int) (msg.Msg, error) {
		if !list[i].Pending() {
			return list[i], nil
		}
		if w == nil {
			return msg.Msg{}, ErrNoWaiter
		}
		return w.Resolve(ctx, list[i])
	})
}

// FanoutOp is Fanout as an Op. One message has to come of it, so Join makes one of all; it may get promises.
type FanoutOp struct {
	Ops  []Op
	Join Op
}

// Call implements Op.
func (o FanoutOp) Call(ctx context.Context, in ...msg.Msg) (msg.Msg, error) {
	all, err := fanout(ctx, in, o.Ops)
	if err != nil {
		return msg.Msg{}, err
	}
	out, err := call(ctx, o.Join, all...)
	if err != nil {
		return msg.Msg{}, fmt.Errorf("join of fanout: %w", err)
	}
	return out, nil
}

// GatherOp is a FanoutOp that waits for what came of all ops, so that Join gets no promise.
type GatherOp struct {
	Wait Waiter
	Ops  []Op
	Join Op
}

// Call implements Op.
func (o GatherOp) Call(ctx context.Context, in ...msg.Msg) (msg.Msg, error) {
	all, err := fanout(ctx, in, o.Ops)
	if err != nil {
		return msg.Msg{}, fmt.Errorf("gather: %w", err)
	}
	if all, err = Gather(ctx, o.Wait, all...); err != nil {
		return msg.Msg{}, fmt.Errorf("gather: %w", err)
	}
	out, err := call(ctx, o.Join, all...)
	if err != nil {
		return msg.Msg{}, fmt.Errorf("join of gather: %w", err)
	}
	return out, nil
}

func fanout(ctx context.Context, in []msg.Msg, ops []Op) ([]msg.Msg, error) {
	return each(len(ops), "op %d of %d of fanout", func(i int) (msg.Msg, error) {
		return call(ctx, ops[i], slices.Clone(in)...) // each may do with its list what it wants
	})
}

// each runs do for 0 to n-1 side by side and returns when all have. where says in an error which one failed.
func each(n int, where string, do func(i int) (msg.Msg, error)) ([]msg.Msg, error) {
	out, errs := make([]msg.Msg, n), make([]error, n)
	var running sync.WaitGroup
	for i := range n {
		running.Go(func() {
			// The caller's own recover does not reach a goroutine of ours, and one agent must not end a whole host.
			defer func() {
				if r := recover(); r != nil {
					out[i], errs[i] = msg.Msg{}, fmt.Errorf(where+": %w: %v\n%s", i+1, n, ErrPanic, r, debug.Stack())
				}
			}()
			m, err := do(i)
			if err != nil {
				errs[i] = fmt.Errorf(where+": %w", i+1, n, err)
				return
			}
			out[i] = m
		})
	}
	running.Wait()
	return out, errors.Join(errs...)
}
