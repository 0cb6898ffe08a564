package actor

import (
	"context"
	"fmt"
	"sync"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
)

// inputs are the messages of a request, with what was promised in the place of promises once ready is closed.
type inputs struct {
	msgs    []msg.Msg
	pending []int         // which are promises
	ready   chan struct{} // nil: there are none
	err     error         // of the first input that could not be had
}

func newInputs(msgs []msg.Msg) *inputs {
	in := &inputs{msgs: msgs}
	for i := range msgs {
		if msgs[i].Pending() {
			in.pending = append(in.pending, i)
		}
	}
	if len(in.pending) > 0 {
		in.ready = make(chan struct{})
	}
	return in
}

// resolve begins to wait for what is promised, all at once. It ends with ctx.
func (in *inputs) resolve(ctx context.Context, rt *Runtime) {
	var mu sync.Mutex
	left := len(in.pending)
	for _, i := range in.pending {
		one := func() {
			out, err := rt.client.Resolve(ctx, in.msgs[i])
			mu.Lock()
			defer mu.Unlock()
			if err != nil && in.err == nil {
				in.err = fmt.Errorf("input %d: %w", i+1, err)
			}
			in.msgs[i] = out
			if left--; left == 0 {
				close(in.ready)
			}
		}
		if !rt.spawn(one) {
			one() // ctx is over
		}
	}
}

// wait waits for what was promised. lost ends the waiting as ctx does.
func (in *inputs) wait(ctx context.Context, lost <-chan struct{}) error {
	if in.ready != nil {
		select {
		case <-in.ready:
		case <-lost:
			return wire.ErrCancelled
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return in.err
}
