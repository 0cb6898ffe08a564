package llmproxy

import (
	"sync"
	"time"
)

// queue hands work to workers. Pushing never blocks: what is in it is bounded by the requests accepted, and for refusals
// by the requests that their senders have open.
type queue struct {
	mu     sync.Mutex
	more   sync.Cond
	tasks  []func()
	closed bool
}

func newQueue() *queue {
	q := new(queue)
	q.more.L = &q.mu
	return q
}

// push adds a task; after close it is dropped.
func (q *queue) push(task func()) {
	q.mu.Lock()
	if !q.closed {
		q.tasks = append(q.tasks, task)
		q.more.Signal()
	}
	q.mu.Unlock()
}

// work runs tasks until the queue is closed and empty.
func (q *queue) work() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for !q.closed || len(q.tasks) > 0 {
		if len(q.tasks) == 0 {
			q.more.Wait()
			continue
		}
		task := q.tasks[0]
		q.tasks[0] = nil
		q.tasks = q.tasks[1:]
		q.mu.Unlock()
		task()
		q.mu.Lock()
	}
}

// close ends the workers when they have done what is in the queue.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.more.Broadcast()
	q.mu.Unlock()
}

// timers are waits that end together: stop cancels those that have not fired and returns when those that have are done.
type timers struct {
	mu      sync.Mutex
	live    map[*wait]struct{}
	running sync.WaitGroup
	stopped bool
}

type wait struct{ timer *time.Timer }

// after runs f once d has passed, unless stop comes first. f must not block.
func (t *timers) after(d time.Duration, f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped {
		return
	}
	if t.live == nil {
		t.live = map[*wait]struct{}{}
	}
	w := new(wait)
	t.live[w] = struct{}{}
	w.timer = time.AfterFunc(d, func() {
		t.mu.Lock()
		_, mine := t.live[w]
		delete(t.live, w)
		if mine {
			t.running.Add(1)
		}
		t.mu.Unlock()
		if mine {
			defer t.running.Done()
			f()
		}
	})
}

func (t *timers) stop() {
	t.mu.Lock()
	t.stopped = true
	for w := range t.live {
		w.timer.Stop()
	}
	clear(t.live)
	t.mu.Unlock()
	t.running.Wait()
}
