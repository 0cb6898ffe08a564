package pipeline

import (
	"context"
	"fmt"

	"github.com/myriad-sim/myriad/pkg/msg"
)

// Sequential gives a message to the first op, what comes of it to the second, and so on, and returns what the last one
// gave, or in itself if there are no ops. Promises are passed on without waiting.
func Sequential(ctx context.Context, in msg.Msg, ops ...Op) (msg.Msg, error) {
	return SequentialOp(ops).Call(ctx, in)
}

// SequentialOp is Sequential as an Op.
type SequentialOp []Op

// Call implements Op.
func (s SequentialOp) Call(ctx context.Context, in ...msg.Msg) (msg.Msg, error) {
	if len(s) == 0 {
		return pass(in)
	}
	var out msg.Msg
	for i, op := range s {
		var err error
		if out, err = call(ctx, op, in...); err != nil {
			return msg.Msg{}, fmt.Errorf("step %d of sequential: %w", i+1, err)
		}
		in = []msg.Msg{out}
	}
	return out, nil
}
