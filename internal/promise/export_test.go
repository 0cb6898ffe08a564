package promise

import (
	"time"

	"github.com/myriad-sim/myriad/pkg/msg"
)

// Waits is how many requests are open.
func (h *Holder) Waits() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.tokens)
}

// Waiting is how many wait for a promise.
func (h *Holder) Waiting(m msg.Msg) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	at := m.Placeholder
	if w := h.waits[promised{at.Run, at.Producer, at.ID}]; w != nil {
		return w.holders
	}
	return 0
}

// Linger makes it long ago that somebody waited.
func (h *Holder) Linger() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, w := range h.watches {
		w.used = time.Now().Add(-2 * linger)
	}
}

// Asked is how many wait for a task at the producer.
func (t *Task) Asked() int {
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	return len(t.waiters)
}
