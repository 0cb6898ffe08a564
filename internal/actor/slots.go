package actor

import (
	"context"
	"fmt"
	"sync"

	"github.com/myriad-sim/myriad/internal/wire"
)

// slots bound how many agents compute at once. An agent that waits for somebody else has none: what it waits for may need
// one. A nil slots has no bound.
type slots chan struct{}

func newSlots(n int) slots {
	if n == 0 {
		return nil
	}
	return make(slots, n)
}

// enter takes a slot, and returns the context in which the agent works and what gives the slot back.
func (s slots) enter(ctx context.Context) (working context.Context, leave func(), err error) {
	if s == nil {
		return ctx, func() {}, nil
	}
	select {
	case s <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, fmt.Errorf("waiting for a worker: %w", context.Cause(ctx))
	}
	h := &holding{slots: s}
	return wire.WithPause(ctx, h.pause), h.leave, nil
}

// holding is the slot of one handler. A handler may wait on several goroutines at once; the slot is free while any of them
// waits, because others of them may be through and the handler waits for that one only.
type holding struct {
	slots slots
	mu    sync.Mutex
	waits int
	over  bool
}

func (h *holding) pause() (resume func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waits++; h.waits == 1 && !h.over {
		<-h.slots
	}
	return h.resume
}

func (h *holding) resume() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waits--; h.waits == 0 && !h.over {
		h.slots <- struct{}{}
	}
}

// leave gives the slot back for good, also where a goroutine that outlived its handler still waits.
func (h *holding) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over = true; h.waits == 0 {
		<-h.slots
	}
}
