package llmproxy

import (
	"container/list"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// job is one call of an exchange on its way to a model server. One goroutine at a time works on it.
type job struct {
	x        *exchange
	index    int
	attempts int // failed attempts that count
	retries  int // all attempts after the first
	since    time.Time
	backoff  *backoff.ExponentialBackOff // nil until the first failure
}

// fairQueue holds calls that wait for a model server. Runs take turns, and so do the requests of a run: a small run,
// and a single question from a user, need not wait for a large round. Calls of a request go in order, those that were
// tried before first.
type fairQueue struct {
	runs    list.List // of *runQueue
	byRun   map[string]*list.Element
	waiting int
}

type runQueue struct {
	run      string
	requests list.List // of *requestQueue
	byX      map[*exchange]*list.Element
}

type requestQueue struct {
	x     *exchange
	next  int // calls from here on have not been tried
	end   int
	again []*job
}

// add queues all calls of x.
func (q *fairQueue) add(x *exchange) {
	q.request(x).end = len(x.asks)
	q.waiting += len(x.asks)
}

// addAgain queues a call that was tried before.
func (q *fairQueue) addAgain(j *job) {
	r := q.request(j.x)
	r.again = append(r.again, j)
	q.waiting++
}

func (q *fairQueue) request(x *exchange) *requestQueue {
	if q.byRun == nil {
		q.byRun = map[string]*list.Element{}
	}
	run := x.run
	e, ok := q.byRun[run]
	if !ok {
		e = q.runs.PushBack(&runQueue{run: run, byX: map[*exchange]*list.Element{}})
		q.byRun[run] = e
	}
	rq := e.Value.(*runQueue)
	el, ok := rq.byX[x]
	if !ok {
		// Nothing of x waits untried unless add says so.
		el = rq.requests.PushBack(&requestQueue{x: x})
		rq.byX[x] = el
	}
	return el.Value.(*requestQueue)
}

// pop takes the next call; nil if none waits.
func (q *fairQueue) pop() *job {
	e := q.runs.Front()
	if e == nil {
		return nil
	}
	rq := e.Value.(*runQueue)
	el := rq.requests.Front()
	r := el.Value.(*requestQueue)
	var j *job
	if n := len(r.again); n > 0 {
		j = r.again[0]
		r.again = r.again[1:]
	} else {
		j = &job{x: r.x, index: r.next}
		r.next++
	}
	q.waiting--
	if r.next == r.end && len(r.again) == 0 {
		rq.requests.Remove(el)
		delete(rq.byX, r.x)
	} else {
		rq.requests.MoveToBack(el)
	}
	if rq.requests.Len() == 0 {
		q.runs.Remove(e)
		delete(q.byRun, rq.run)
	} else {
		q.runs.MoveToBack(e)
	}
	return j
}
