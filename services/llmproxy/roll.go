package llmproxy

import (
	"container/list"
	"sync"
	"time"
)

// roll is the list of open requests, each from its acceptance to its last result, and the account of what they hold. It
// is the bound on the memory of the service: what does not fit is refused as busy at the door, and asked again later.
type roll struct {
	maxCalls, maxBytes int64

	mu     sync.Mutex
	closed bool
	calls  int64     // without a result
	bytes  int64     // held for them
	list   list.List // of *exchange, the one that said nothing for longest in front
}

// entry is what the roll keeps of an exchange. It is guarded by the roll's lock.
type entry struct {
	place *list.Element // nil: not on the roll
	calls int64         // without a result
	bytes int64
	spoke time.Time // when the requester last heard of it; at first, when it was accepted
}

// add takes a request unless it does not fit or the roll is closed. One that is larger than a bound gets in when it is
// alone; it would be asked again for ever.
func (r *roll) add(x *exchange, calls, bytes int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := entry{calls: int64(calls), bytes: int64(bytes), spoke: time.Now()}
	if r.closed || r.list.Len() > 0 && (r.calls+e.calls > r.maxCalls || r.bytes+e.bytes > r.maxBytes) {
		return false
	}
	r.calls += e.calls
	r.bytes += e.bytes
	e.place = r.list.PushBack(x)
	x.entry = e
	return true
}

// holds corrects what a request holds, once it is known.
func (r *roll) holds(x *exchange, bytes int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if x.entry.place != nil {
		r.bytes += int64(bytes) - x.entry.bytes
		x.entry.bytes = int64(bytes)
	}
}

// sent notes that a result of some calls is sent.
func (r *roll) sent(x *exchange, calls int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if x.entry.place == nil {
		return
	}
	r.calls -= int64(calls)
	x.entry.calls -= int64(calls)
	x.entry.spoke = time.Now()
	r.list.MoveToBack(x.entry.place)
}

// drop takes a request off, with the calls that have no result.
func (r *roll) drop(x *exchange) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if x.entry.place == nil {
		return
	}
	r.calls -= x.entry.calls
	r.bytes -= x.entry.bytes
	r.list.Remove(x.entry.place)
	x.entry.place = nil
}

// silent returns the requests whose requesters heard nothing for a while, which counts as having spoken, and how long it
// is until there can be another.
func (r *roll) silent(while time.Duration) ([]*exchange, time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	var due []*exchange
	for front := r.list.Front(); front != nil; front = r.list.Front() {
		x := front.Value.(*exchange)
		if rest := while - now.Sub(x.entry.spoke); rest > 0 {
			return due, rest
		}
		x.entry.spoke = now
		r.list.MoveToBack(front)
		due = append(due, x)
	}
	return due, while
}

// close lets nobody in any more.
func (r *roll) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
}

// open returns the requests on the roll.
func (r *roll) open() []*exchange {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]*exchange, 0, r.list.Len())
	for e := r.list.Front(); e != nil; e = e.Next() {
		all = append(all, e.Value.(*exchange))
	}
	return all
}
