package pipeline_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/promise"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/pipeline"
)

func TestWhatDecidesNothingDoesNotWait(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	release := make(chan struct{})
	slow := o.agent(func(in ...int) (int, error) {
		<-release
		n, err := sum(in...)
		return n + 1, err
	})
	all := pipeline.SequentialOp{
		slow,
		pipeline.SequentialOp{slow, slow},
		pipeline.ForLoopOp{N: 3, Do: slow},
		pipeline.FanoutOp{Ops: []pipeline.Op{slow, slow}, Join: slow},
	}
	out, err := all.Call(ctx, number(0)) // would never return if it waited
	require.NoError(t, err)
	require.True(t, out.Pending())
	close(release)
	requireValue(t, o, 2*(6+1)+1, out, err)
}

func TestABranchThatDecidesHoldsUpNoOther(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	called := make(chan struct{})
	release := o.agent(func(in ...int) (int, error) {
		<-called
		return sum(in...)
	})
	decides := pipeline.SequentialOp{release, pipeline.IfElseOp{Wait: o, If: when(func(int) bool { return true })}}
	other := pipeline.Func(func(_ context.Context, in ...msg.Msg) (msg.Msg, error) {
		close(called)
		return in[0], nil
	})
	all, err := pipeline.Fanout(ctx, number(7), decides, other) // the first can go on when the second was called
	require.NoError(t, err)
	for _, m := range all {
		requireValue(t, o, 7, m, nil)
	}
}

func TestADecisionIsGivenWhatWasPromisedAndPassesItOn(t *testing.T) {
	o := newOffice(t)
	in, err := o.agent(add(1)).Call(t.Context(), number(1))
	require.NoError(t, err)
	seen := pipeline.Func(func(_ context.Context, in ...msg.Msg) (msg.Msg, error) {
		require.False(t, in[0].Pending(), "nobody has to wait for it again")
		return in[0], nil
	})
	out, err := pipeline.IfElse(t.Context(), o, in, when(func(n int) bool { return n == 2 }), seen, nil)
	requireValue(t, o, 2, out, err)
}

// host is an op that promises through the broker, as agents do.
func host(t *testing.T, s *natstest.Server, incarnation string, release <-chan struct{}) pipeline.Op {
	nc := s.Connect(t)
	p, err := promise.NewProducer(nc, natstest.Logger(t), incarnation, promise.Config{Keep: time.Hour, KeepBytes: 1 << 20})
	require.NoError(t, err)
	t.Cleanup(p.Close)
	h, err := promise.NewHolder(nc, natstest.Logger(t))
	require.NoError(t, err)
	t.Cleanup(h.Close)
	return pipeline.Func(func(ctx context.Context, in ...msg.Msg) (msg.Msg, error) {
		ph, task, err := p.Begin("r", time.Time{})
		if err != nil {
			return msg.Msg{}, err
		}
		go func() {
			m, err := h.Resolve(ctx, in[0])
			<-release
			if err == nil {
				m = msg.Msg{Content: msg.Text(m.Content.String() + " " + incarnation)}
			}
			task.Finish(m, err)
		}()
		return msg.Promise(incarnation, ph), nil
	})
}

func TestSequentialOverTheBroker(t *testing.T) {
	s := natstest.Start(t)
	release := make(chan struct{})
	a, b, c := host(t, s, "a", release), host(t, s, "b", release), host(t, s, "c", release)
	out, err := pipeline.Sequential(t.Context(), msg.Msg{Content: msg.Text("start")}, a, b, c)
	require.NoError(t, err)
	require.True(t, out.Pending())
	close(release)
	h, err := promise.NewHolder(s.Connect(t), natstest.Logger(t))
	require.NoError(t, err)
	t.Cleanup(h.Close)
	var w pipeline.Waiter = h
	out, err = w.Resolve(t.Context(), out)
	require.NoError(t, err)
	require.Equal(t, "start a b c", out.Content.String())
}
