package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/pipeline"
)

func TestMain(m *testing.M) { natstest.VerifyMain(m) }

var errNo = errors.New("no")

func number(n int) msg.Msg {
	c, err := msg.Data(n)
	if err != nil {
		panic(err)
	}
	return msg.Msg{Content: c}
}

// value reads a number. A promise has none.
func value(m msg.Msg) (int, error) {
	if m.Pending() {
		return 0, errors.New("read a promise")
	}
	var n int
	err := m.Content.Decode(&n)
	return n, err
}

// office makes promises and keeps them, as hosts of agents do, in memory.
type office struct {
	mu   sync.Mutex
	work sync.WaitGroup
	made map[string]*promised
}

type promised struct {
	done chan struct{}
	out  msg.Msg
	err  error
}

func newOffice(t testing.TB) *office {
	o := &office{made: map[string]*promised{}}
	t.Cleanup(o.work.Wait)
	return o
}

// Resolve implements pipeline.Waiter.
func (o *office) Resolve(ctx context.Context, m msg.Msg) (msg.Msg, error) {
	for m.Pending() {
		o.mu.Lock()
		p := o.made[m.Placeholder.ID]
		o.mu.Unlock()
		select {
		case <-p.done:
		case <-ctx.Done():
			return msg.Msg{}, ctx.Err()
		}
		if p.err != nil {
			return msg.Msg{}, p.err
		}
		m = p.out
	}
	return m, nil
}

// agent is an op that promises at once, and then resolves what it got and works.
func (o *office) agent(work func(in ...int) (int, error)) pipeline.Op {
	return pipeline.Func(func(ctx context.Context, in ...msg.Msg) (msg.Msg, error) {
		p := &promised{done: make(chan struct{})}
		o.mu.Lock()
		id := fmt.Sprint(len(o.made))
		o.made[id] = p
		o.mu.Unlock()
		o.work.Go(func() {
			defer close(p.done)
			p.out, p.err = o.plain(work).Call(ctx, in...)
		})
		return msg.Promise("agent", msg.Placeholder{Run: "r", Producer: "office", ID: id}), nil
	})
}

// plain is an op that resolves what it got, works, and returns the result.
func (o *office) plain(work func(in ...int) (int, error)) pipeline.Op {
	return pipeline.Func(func(ctx context.Context, in ...msg.Msg) (msg.Msg, error) {
		var list []int
		for _, m := range in {
			m, err := o.Resolve(ctx, m)
			if err != nil {
				return msg.Msg{}, err
			}
			n, err := value(m)
			if err != nil {
				return msg.Msg{}, err
			}
			list = append(list, n)
		}
		n, err := work(list...)
		if err != nil {
			return msg.Msg{}, err
		}
		return number(n), nil
	})
}

func requireValue(t require.TestingT, o *office, want int, m msg.Msg, err error) {
	require.NoError(t, err)
	m, err = o.Resolve(context.Background(), m)
	require.NoError(t, err)
	got, err := value(m)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func sum(in ...int) (int, error) {
	n := 0
	for _, i := range in {
		n += i
	}
	return n, nil
}

func add(k int) func(in ...int) (int, error) {
	return func(in ...int) (int, error) {
		n, err := sum(in...)
		return n + k, err
	}
}

// when is a condition on the one message.
func when(is func(n int) bool) pipeline.Cond {
	return func(_ context.Context, in ...msg.Msg) (bool, error) {
		n, err := value(in[0])
		return is(n), err
	}
}
