package pipeline

import (
	"context"
	"fmt"

	"github.com/myriad-sim/myriad/pkg/msg"
)

// IfElse gives a message to one of two ops. It waits for the message, because the condition reads it; w may be nil if it is
// no promise. A nil op passes the message on.
func IfElse(ctx context.Context, w Waiter, in msg.Msg, cond Cond, then, otherwise Op) (msg.Msg, error) {
	return IfElseOp{Wait: w, If: cond, Then: then, Else: otherwise}.Call(ctx, in)
}

// IfElseOp is IfElse as an Op.
type IfElseOp struct {
	Wait       Waiter
	If         Cond
	Then, Else Op // nil: the one message goes on as it is
}

// Call implements Op.
func (o IfElseOp) Call(ctx context.Context, in ...msg.Msg) (msg.Msg, error) {
	yes, in, err := o.If.decide(ctx, o.Wait, in)
	if err != nil {
		return msg.Msg{}, fmt.Errorf("condition of if-else: %w", err)
	}
	op, name := o.Then, "then"
	if !yes {
		op, name = o.Else, "else"
	}
	out, err := callOrPass(ctx, op, in...)
	if err != nil {
		return msg.Msg{}, fmt.Errorf("%s of if-else: %w", name, err)
	}
	return out, nil
}

// Switch gives a message to the op of the case that choose names, or to fallback if there is no such case. It waits for the
// message, because choose reads it; w may be nil if it is no promise. A nil fallback passes the message on.
func Switch(ctx context.Context, w Waiter, in msg.Msg, choose Choice, cases map[string]Op, fallback Op) (msg.Msg, error) {
	return SwitchOp{Wait: w, On: choose, Cases: cases, Default: fallback}.Call(ctx, in)
}

// SwitchOp is Switch as an Op.
type SwitchOp struct {
	Wait    Waiter
	On      Choice
	Cases   map[string]Op
	Default Op // nil: the one message goes on as it is
}

// Call implements Op.
func (o SwitchOp) Call(ctx context.Context, in ...msg.Msg) (msg.Msg, error) {
	name, in, err := o.choose(ctx, in)
	if err != nil {
		return msg.Msg{}, fmt.Errorf("choice of switch: %w", err)
	}
	var out msg.Msg
	where := fmt.Sprintf("case %.80q", name)
	if op, ok := o.Cases[name]; ok {
		out, err = call(ctx, op, in...)
	} else {
		where += ", the default,"
		out, err = callOrPass(ctx, o.Default, in...)
	}
	if err != nil {
		return msg.Msg{}, fmt.Errorf("%s of switch: %w", where, err)
	}
	return out, nil
}

func (o SwitchOp) choose(ctx context.Context, in []msg.Msg) (name string, seen []msg.Msg, err error) {
	if o.On == nil {
		return "", nil, ErrNoOp
	}
	if seen, err = read(ctx, o.Wait, in); err != nil {
		return "", nil, err
	}
	name, err = o.On(ctx, seen...)
	return name, seen, err
}

// decide waits for the messages and asks the condition. It returns them as the condition saw them, so that nobody waits for
// them again.
func (c Cond) decide(ctx context.Context, w Waiter, in []msg.Msg) (yes bool, seen []msg.Msg, err error) {
	if c == nil {
		return false, nil, ErrNoOp
	}
	if seen, err = read(ctx, w, in); err != nil {
		return false, nil, err
	}
	yes, err = c(ctx, seen...)
	return yes, seen, err
}
