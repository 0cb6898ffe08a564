package pipeline_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/pipeline"
)

func TestErrorsSayWhere(t *testing.T) {
	o := newOffice(t)
	fine, broken := o.plain(add(1)), o.plain(func(...int) (int, error) { return 0, errNo })
	late := o.agent(func(...int) (int, error) { return 0, errNo })
	yes := when(func(int) bool { return true })
	cannot := func(context.Context, ...msg.Msg) (bool, error) { return false, errNo }
	one := func(context.Context, ...msg.Msg) (string, error) { return "one", nil }
	ops := func(list ...pipeline.Op) []pipeline.Op { return list }
	for _, c := range []struct {
		op   pipeline.Op
		is   error
		want string
	}{
		{pipeline.SequentialOp{fine, broken}, errNo, "step 2 of sequential: no"},
		{pipeline.SequentialOp{fine, nil}, pipeline.ErrNoOp, "step 2 of sequential: " + pipeline.ErrNoOp.Error()},
		{pipeline.SequentialOp{fine, pipeline.Func(nil)}, pipeline.ErrNoOp, "step 2 of sequential: " + pipeline.ErrNoOp.Error()},
		{
			pipeline.SequentialOp{pipeline.IfElseOp{If: yes, Then: pipeline.ForLoopOp{N: 2, Do: broken}}}, errNo,
			"step 1 of sequential: then of if-else: round 1 of for loop: no",
		},
		{pipeline.IfElseOp{If: when(func(int) bool { return false }), Else: broken}, errNo, "else of if-else: no"},
		{pipeline.IfElseOp{If: cannot, Then: fine}, errNo, "condition of if-else: no"},
		{pipeline.IfElseOp{}, pipeline.ErrNoOp, "condition of if-else: " + pipeline.ErrNoOp.Error()},
		{pipeline.SequentialOp{late, pipeline.IfElseOp{Wait: o, If: yes}}, errNo, "step 2 of sequential: condition of if-else: message 1 of 1: no"},
		{pipeline.SequentialOp{late, pipeline.IfElseOp{If: yes}}, pipeline.ErrNoWaiter, "step 2 of sequential: condition of if-else: " + pipeline.ErrNoWaiter.Error()},
		{pipeline.SwitchOp{On: one, Cases: map[string]pipeline.Op{"one": broken}}, errNo, `case "one" of switch: no`},
		{pipeline.SwitchOp{On: one, Default: broken}, errNo, `case "one", the default, of switch: no`},
		{pipeline.SwitchOp{}, pipeline.ErrNoOp, "choice of switch: " + pipeline.ErrNoOp.Error()},
		{pipeline.ForLoopOp{N: 2, Do: fine, Until: cannot}, errNo, "condition after round 1 of for loop: no"},
		{pipeline.WhileLoopOp{Most: 2, While: yes, Do: broken}, errNo, "round 1 of while loop: no"},
		{pipeline.WhileLoopOp{Most: 2, While: cannot}, errNo, "condition before round 1 of while loop: no"},
		{pipeline.WhileLoopOp{Most: 2, While: yes, Do: fine}, pipeline.ErrRounds, pipeline.ErrRounds.Error() + " within 2 rounds of while loop"},
		{pipeline.FanoutOp{Ops: ops(fine, broken, broken)}, errNo, "op 2 of 3 of fanout: no\nop 3 of 3 of fanout: no"},
		{pipeline.FanoutOp{Ops: ops(fine)}, pipeline.ErrNoOp, "join of fanout: " + pipeline.ErrNoOp.Error()},
		{pipeline.GatherOp{Wait: o, Ops: ops(fine, late), Join: fine}, errNo, "gather: message 2 of 2: no"},
		{pipeline.GatherOp{Ops: ops(broken)}, errNo, "gather: op 1 of 1 of fanout: no"},
		{pipeline.GatherOp{Ops: ops(fine), Join: broken}, errNo, "join of gather: no"},
	} {
		_, err := c.op.Call(t.Context(), number(1))
		require.ErrorIs(t, err, c.is)
		require.EqualError(t, err, c.want)
	}
}

func TestWhatDidNotFailIsReturned(t *testing.T) {
	o := newOffice(t)
	late := o.agent(func(...int) (int, error) { return 0, errNo })
	all, err := pipeline.Fanout(t.Context(), number(1), o.plain(add(1)), nil, late, o.agent(add(2)))
	require.ErrorIs(t, err, pipeline.ErrNoOp)
	require.Len(t, all, 4)
	require.Equal(t, msg.Msg{}, all[1])
	all, err = pipeline.Gather(t.Context(), o, all...)
	require.EqualError(t, err, "message 3 of 4: no")
	for i, want := range []int{2, 0, 0, 3} {
		if want > 0 {
			requireValue(t, o, want, all[i], nil)
		}
	}
}

func TestAPanicInAFanoutIsAnError(t *testing.T) {
	_, err := pipeline.Fanout(t.Context(), number(1), pipeline.Func(func(context.Context, ...msg.Msg) (msg.Msg, error) {
		panic("oh dear")
	}))
	require.ErrorIs(t, err, pipeline.ErrPanic)
	require.ErrorContains(t, err, "op 1 of 1 of fanout: ")
	require.ErrorContains(t, err, "oh dear")
	require.ErrorContains(t, err, "errors_test.go", "it says where")
}

func TestNothingToDoPassesOneMessageOn(t *testing.T) {
	for _, op := range []pipeline.Op{
		pipeline.SequentialOp{}, pipeline.ForLoopOp{}, pipeline.SwitchOp{On: func(context.Context, ...msg.Msg) (string, error) { return "", nil }},
		pipeline.IfElseOp{If: func(context.Context, ...msg.Msg) (bool, error) { return true, nil }},
		pipeline.WhileLoopOp{While: func(context.Context, ...msg.Msg) (bool, error) { return false, nil }},
	} {
		out, err := op.Call(t.Context(), number(1))
		require.NoError(t, err)
		require.Equal(t, number(1), out)
		out, err = op.Call(t.Context())
		require.NoError(t, err)
		require.Equal(t, msg.Msg{}, out)
		_, err = op.Call(t.Context(), number(1), number(2))
		require.ErrorIs(t, err, pipeline.ErrNotOne)
	}
}

func TestALoopEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	rounds := 0
	_, err := pipeline.ForLoop(ctx, nil, number(1), 1000, pipeline.Func(func(_ context.Context, in ...msg.Msg) (msg.Msg, error) {
		if rounds++; rounds == 3 {
			cancel()
		}
		return in[0], nil
	}), nil)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 3, rounds)
}
