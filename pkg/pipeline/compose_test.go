package pipeline_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/pipeline"
)

// tree is a random pipeline, and what it does in plain Go.
type tree struct {
	op    pipeline.Op
	plain func(n int) (int, error)
}

const modulus = 1009

func (o *office) tree(t *rapid.T, depth int) tree {
	kinds := []string{"leaf", "sequential", "if", "switch", "for", "while", "fanout", "gather"}
	kind := "leaf"
	if depth > 0 {
		kind = rapid.SampledFrom(kinds).Draw(t, "kind")
	}
	switch kind {
	case "sequential":
		var ops pipeline.SequentialOp
		list := o.trees(t, depth, 0)
		for _, one := range list {
			ops = append(ops, one.op)
		}
		return tree{ops, func(n int) (int, error) {
			var err error
			for _, one := range list {
				if n, err = one.plain(n); err != nil {
					return 0, err
				}
			}
			return n, nil
		}}
	case "if":
		return o.ifTree(t, depth)
	case "switch":
		return o.switchTree(t, depth)
	case "for":
		return o.forTree(t, depth)
	case "while":
		return o.whileTree(t, depth)
	case "fanout", "gather":
		return o.fanTree(t, depth, kind == "gather")
	}
	return o.leaf(t)
}

func (o *office) trees(t *rapid.T, depth, least int) []tree {
	var list []tree
	for range rapid.IntRange(least, 3).Draw(t, "n") {
		list = append(list, o.tree(t, depth-1))
	}
	return list
}

func (o *office) leaf(t *rapid.T) tree {
	k := rapid.IntRange(-1, 20).Draw(t, "k")
	work := func(in ...int) (int, error) {
		if k < 0 {
			return 0, errNo
		}
		return (in[0]*3 + k) % modulus, nil
	}
	plain := func(n int) (int, error) { return work(n) }
	if rapid.Bool().Draw(t, "promises") {
		return tree{o.agent(work), plain}
	}
	return tree{o.plain(work), plain}
}

func (o *office) ifTree(t *rapid.T, depth int) tree {
	then := o.tree(t, depth-1)
	even := func(n int) bool { return n%2 == 0 }
	op := pipeline.IfElseOp{Wait: o, If: when(even), Then: then.op}
	otherwise := tree{nil, func(n int) (int, error) { return n, nil }}
	if rapid.Bool().Draw(t, "else") {
		otherwise = o.tree(t, depth-1)
		op.Else = otherwise.op
	}
	return tree{op, func(n int) (int, error) {
		if even(n) {
			return then.plain(n)
		}
		return otherwise.plain(n)
	}}
}

func (o *office) switchTree(t *rapid.T, depth int) tree {
	zero, one := o.tree(t, depth-1), o.tree(t, depth-1)
	op := pipeline.SwitchOp{Wait: o, Cases: map[string]pipeline.Op{"0": zero.op, "1": one.op},
		On: func(_ context.Context, in ...msg.Msg) (string, error) {
			n, err := value(in[0])
			return fmt.Sprint(n % 3), err
		}}
	return tree{op, func(n int) (int, error) {
		switch n % 3 {
		case 0:
			return zero.plain(n)
		case 1:
			return one.plain(n)
		}
		return n, nil
	}}
}

func (o *office) forTree(t *rapid.T, depth int) tree {
	body, rounds := o.tree(t, depth-1), rapid.IntRange(-1, 4).Draw(t, "rounds")
	op := pipeline.ForLoopOp{Wait: o, N: rounds, Do: body.op}
	enough := func(int) bool { return false }
	if rapid.Bool().Draw(t, "until") {
		enough = func(n int) bool { return n%5 == 0 }
		op.Until = when(enough)
	}
	return tree{op, func(n int) (int, error) {
		var err error
		for range rounds {
			if n, err = body.plain(n); err != nil {
				return 0, err
			}
			if enough(n) {
				break
			}
		}
		return n, nil
	}}
}

func (o *office) whileTree(t *rapid.T, depth int) tree {
	body, most := o.tree(t, depth-1), rapid.IntRange(0, 4).Draw(t, "most")
	more := func(n int) bool { return n%4 != 0 }
	return tree{pipeline.WhileLoopOp{Wait: o, Most: most, While: when(more), Do: body.op}, func(n int) (int, error) {
		var err error
		for range most {
			if !more(n) {
				return n, nil
			}
			if n, err = body.plain(n); err != nil {
				return 0, err
			}
		}
		if more(n) {
			return 0, pipeline.ErrRounds
		}
		return n, nil
	}}
}

func (o *office) fanTree(t *rapid.T, depth int, gather bool) tree {
	list := o.trees(t, depth, 1)
	var ops []pipeline.Op
	for _, one := range list {
		ops = append(ops, one.op)
	}
	inOrder := func(in ...int) (int, error) {
		n := 0
		for _, i := range in {
			n = (n*31 + i) % modulus
		}
		return n, nil
	}
	var op pipeline.Op = pipeline.FanoutOp{Ops: ops, Join: o.agent(inOrder)}
	if gather {
		op = pipeline.GatherOp{Wait: o, Ops: ops, Join: o.plain(inOrder)}
	}
	return tree{op, func(n int) (int, error) {
		var all []int
		for _, one := range list {
			v, err := one.plain(n)
			if err != nil {
				return 0, err
			}
			all = append(all, v)
		}
		return inOrder(all...)
	}}
}

func TestACompositionGivesWhatPlainGoGives(t *testing.T) {
	o := newOffice(t)
	rapid.Check(t, func(t *rapid.T) {
		one, n := o.tree(t, 3), rapid.IntRange(0, modulus-1).Draw(t, "in")
		want, failure := one.plain(n)
		for range 2 { // a pipeline holds no state
			out, err := one.op.Call(t.Context(), number(n))
			if err == nil {
				out, err = o.Resolve(t.Context(), out)
			}
			if failure != nil {
				// Side by side, another failure than the first in order may be met first.
				require.Error(t, err)
				continue
			}
			requireValue(t, o, want, out, err)
		}
	})
}

func TestFunctionsDoWhatTheOpsDo(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	in, err := o.agent(add(0)).Call(ctx, number(6))
	require.NoError(t, err)
	big := when(func(n int) bool { return n >= 10 })
	small := when(func(n int) bool { return n < 10 })

	out, err := pipeline.Sequential(ctx, in, o.agent(add(1)), o.plain(add(1)))
	requireValue(t, o, 8, out, err)
	out, err = pipeline.IfElse(ctx, o, in, big, o.agent(add(1)), o.agent(add(2)))
	requireValue(t, o, 8, out, err)
	out, err = pipeline.Switch(ctx, o, in, func(_ context.Context, in ...msg.Msg) (string, error) {
		n, err := value(in[0])
		return fmt.Sprint(n), err
	}, map[string]pipeline.Op{"6": o.agent(add(3))}, o.agent(add(4)))
	requireValue(t, o, 9, out, err)
	out, err = pipeline.ForLoop(ctx, nil, in, 5, o.agent(add(2)), nil)
	requireValue(t, o, 16, out, err)
	out, err = pipeline.ForLoop(ctx, o, in, 5, o.agent(add(2)), big)
	requireValue(t, o, 10, out, err)
	out, err = pipeline.WhileLoop(ctx, o, in, 5, small, o.agent(add(3)))
	requireValue(t, o, 12, out, err)
	_, err = pipeline.WhileLoop(ctx, o, in, 1, small, o.agent(add(3)))
	require.ErrorIs(t, err, pipeline.ErrRounds)
	all, err := pipeline.Fanout(ctx, in, o.agent(add(1)), o.plain(add(2)))
	require.NoError(t, err)
	require.True(t, all[0].Pending(), "a fanout does not wait")
	all, err = pipeline.Gather(ctx, o, all...)
	require.NoError(t, err)
	for i, m := range all {
		require.False(t, m.Pending())
		requireValue(t, o, 7+i, m, nil)
	}
}
