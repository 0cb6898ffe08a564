package pipeline

import (
	"context"
	"fmt"

	"github.com/myriad-sim/myriad/pkg/msg"
)

// ForLoop gives a message to an op, what comes of it to the same op again, n times in all, and returns the last. With a
// condition until, which is asked after each round, it ends early where that says yes, and waits for the message of each
// round to ask it; without one (nil) it does not wait, and w may be nil.
func ForLoop(ctx context.Context, w Waiter, in msg.Msg, n int, op Op, until Cond) (msg.Msg, error) {
	return ForLoopOp{Wait: w, N: n, Do: op, Until: until}.Call(ctx, in)
}

// ForLoopOp is ForLoop as an Op.
type ForLoopOp struct {
	Wait  Waiter // not needed without Until
	N     int    // rounds; none below 1
	Do    Op
	Until Cond // nil: all N rounds
}

// Call implements Op.
func (o ForLoopOp) Call(ctx context.Context, in ...msg.Msg) (msg.Msg, error) {
	for i := range o.N {
		out, err := call(ctx, o.Do, in...)
		if err != nil {
			return msg.Msg{}, fmt.Errorf("round %d of for loop: %w", i+1, err)
		}
		in = []msg.Msg{out}
		if o.Until == nil {
			continue
		}
		var enough bool
		if enough, in, err = o.Until.decide(ctx, o.Wait, in); err != nil {
			return msg.Msg{}, fmt.Errorf("condition after round %d of for loop: %w", i+1, err)
		}
		if enough {
			break
		}
	}
	return pass(in)
}

// WhileLoop gives a message to an op, what comes of it to the same op again, while a condition says yes, and returns the
// message for which it says no, perhaps in itself. It waits for each message, because the condition reads it; w may be nil
// if none is a promise. The error is ErrRounds where the condition still says yes after most rounds.
func WhileLoop(ctx context.Context, w Waiter, in msg.Msg, most int, cond Cond, op Op) (msg.Msg, error) {
	return WhileLoopOp{Wait: w, Most: most, While: cond, Do: op}.Call(ctx, in)
}

// WhileLoopOp is WhileLoop as an Op.
type WhileLoopOp struct {
	Wait  Waiter
	Most  int // rounds
	While Cond
	Do    Op
}

// Call implements Op.
func (o WhileLoopOp) Call(ctx context.Context, in ...msg.Msg) (msg.Msg, error) {
	for round := 1; ; round++ {
		more, seen, err := o.While.decide(ctx, o.Wait, in)
		if err != nil {
			return msg.Msg{}, fmt.Errorf("condition before round %d of while loop: %w", round, err)
		}
		if !more {
			return pass(seen)
		}
		if round > o.Most {
			return msg.Msg{}, fmt.Errorf("%w within %d rounds of while loop", ErrRounds, o.Most)
		}
		out, err := call(ctx, o.Do, seen...)
		if err != nil {
			return msg.Msg{}, fmt.Errorf("round %d of while loop: %w", round, err)
		}
		in = []msg.Msg{out}
	}
}
