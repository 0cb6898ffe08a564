package actor

import (
	"sync"

	"github.com/myriad-sim/myriad/internal/wire"
)

// item is something to do in an agent's turn.
type item struct {
	do   func()      // in its turn; also after stop, to say so
	stop func(error) // ends it, or what it is doing; may be called at any time, nil: it cannot be stopped
}

// mailbox is what an agent has to do, in the order in which it came. There is a goroutine only while there is something.
type mailbox struct {
	mu      sync.Mutex
	queue   []item
	current *item
	working bool
	gone    bool
	handled uint64
}

// put appends an item and reports whether a worker has to be started for the mailbox. The error is ErrNoAgent.
func (b *mailbox) put(it item) (start bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.gone {
		return false, wire.ErrNoAgent
	}
	b.queue = append(b.queue, it)
	start = !b.working
	b.working = true
	return start, nil
}

// close stops all that is in the mailbox and makes last the last item.
func (b *mailbox) close(why error, last item) (start bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.gone {
		return false, wire.ErrNoAgent
	}
	b.gone = true
	if b.current != nil && b.current.stop != nil {
		b.current.stop(why)
	}
	for _, it := range b.queue {
		if it.stop != nil {
			it.stop(why)
		}
	}
	b.queue = append(b.queue, last)
	start = !b.working
	b.working = true
	return start, nil
}

// work does what is in the mailbox until it is empty.
func (b *mailbox) work() {
	for {
		b.mu.Lock()
		if len(b.queue) == 0 {
			b.queue, b.current, b.working = nil, nil, false
			b.mu.Unlock()
			return
		}
		it := b.queue[0]
		b.queue[0] = item{}
		b.queue, b.current = b.queue[1:], &it
		b.mu.Unlock()
		it.do()
	}
}

// count counts a message as handled.
func (b *mailbox) count() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.handled++
}

// counts returns the number of items that have not had their turn, and how many messages have.
func (b *mailbox) counts() (waiting int, handled uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.queue), b.handled
}
