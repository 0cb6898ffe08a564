package fleet

import (
	"slices"
	"time"
)

// pool is the calls to one model on the same servers.
type pool struct {
	id        string
	queue     queue
	endpoints []*endpoint
	busy      int       // calls without an end: waiting, in flight, or between attempts
	idle      time.Time // since when it has none
	dark      time.Time // since when every endpoint is down; zero: one is not, or there are no calls
	resting   bool      // an alarm will look whether it is still idle
	turn      int       // next endpoint, when they take turns
	singles   int       // calls that went alone and could have been hedged
	hedged    int
	warned    string // the last failure for good that was logged
}

// job is a request until its last call has ended.
type job struct {
	*Request
	spec   *Spec
	pool   *pool
	line   *line
	group  *group
	upper  []uint32    // tokens that each call can need at most, without its completion
	order  []uint32    // calls in the order they go in; nil: 0, 1, 2 …
	keys   []key       // of calls that can be shared; nil: none can
	next   int         // calls from here on have not been tried
	end    int         // one after the last call to try
	left   int         // calls without an end
	flying int         // calls in an attempt
	over   string      // why calls that wait get no attempt any more: the text of Refuse
	dead   bool        // refused
	late   bool        // its deadline has passed
	homes  []*endpoint // where its calls go, best first
	due    *deadline   // nil: there is none
}

// deadline is what an alarm knows of a job: nothing, once that is over, so that it is not kept until then.
type deadline struct{ job *job }

// call is one call of a job.
type call struct {
	job   *job
	index int
	tries *tries // nil until an attempt failed
}

// tries is what a call remembers of attempts that failed.
type tries struct {
	counted int // those that count
	all     int
	since   time.Time
}

func (c call) retries() int {
	if c.tries == nil {
		return 0
	}
	return c.tries.all
}

// Submit takes the calls of a request, unless so many of the model wait already that they would take the places of
// others, or the fleet is stopping: then it returns false and calls nothing. It does not wait.
func (f *Fleet) Submit(s *Spec, r *Request) bool {
	j := &job{Request: r, spec: s, end: r.Len, left: r.Len}
	s.once.Do(s.name)
	j.measure()
	if s.ShareIdentical {
		j.keys = keysOf(s, r)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.pool(s)
	if f.stopped || p.busy > 0 && p.busy+r.Len > f.cfg.ModelCalls { // one request always gets in
		f.rest(p)
		return false
	}
	j.pool = p
	p.busy += r.Len
	p.queue.admit(j)
	if j.keys != nil {
		f.attach(j)
	}
	if !r.Deadline.IsZero() {
		due := &deadline{j}
		j.due = due
		f.at(r.Deadline, func(time.Time) { f.expire(due.job) })
	}
	if j.next < j.end {
		p.queue.add(j)
	}
	f.darken(p, time.Now())
	f.kick()
	return true
}

// pool finds or makes the pool of a model. f.mu is held.
func (f *Fleet) pool(s *Spec) *pool {
	id := s.place
	if p, ok := f.pools[id]; ok {
		return p
	}
	p := &pool{id: id, queue: newQueue()}
	for _, at := range s.Endpoints {
		e, ok := f.endpoints[at]
		if !ok {
			e = f.newEndpoint(at)
			f.endpoints[at] = e
		}
		if !slices.Contains(p.endpoints, e) {
			e.pools = append(e.pools, p)
			p.endpoints = append(p.endpoints, e)
		}
	}
	f.pools[id] = p
	f.order = append(f.order, p)
	return p
}

// rest forgets a pool some time after its last call. What was learnt about its endpoints is worth keeping for the next
// round. f.mu is held.
func (f *Fleet) rest(p *pool) {
	if p.busy > 0 {
		return
	}
	p.idle, p.dark = time.Now(), time.Time{}
	if !p.resting {
		p.resting = true
		f.at(p.idle.Add(keepIdle), func(now time.Time) { f.weigh(p, now) })
	}
}

// weigh drops a pool that has been idle for long.
func (f *Fleet) weigh(p *pool, now time.Time) {
	switch {
	case p.busy > 0:
		p.resting = false
	case now.Sub(p.idle) < keepIdle:
		f.at(p.idle.Add(keepIdle), func(now time.Time) { f.weigh(p, now) })
	default:
		f.drop(p)
	}
}

func (f *Fleet) drop(p *pool) {
	delete(f.pools, p.id)
	f.order = slices.DeleteFunc(f.order, func(q *pool) bool { return q == p })
	for _, e := range p.endpoints {
		e.pools = slices.DeleteFunc(e.pools, func(q *pool) bool { return q == p })
		if len(e.pools) == 0 {
			delete(f.endpoints, e.at)
			f.metrics.forget(e)
		}
	}
}

// finish ends a call. f.mu is held.
func (f *Fleet) finish(c call, done Completion) {
	j := c.job
	if j.dead {
		return
	}
	done.Retries = c.retries()
	j.Complete(c.index, done)
	f.gone(j, 1)
	if j.keys != nil {
		f.pass(c, done)
	}
}

// gone counts calls of a job that have ended. f.mu is held.
func (f *Fleet) gone(j *job, calls int) {
	if j.left -= calls; j.left == 0 {
		delete(j.line.jobs, j)
		if j.due != nil {
			j.due.job = nil
		}
	}
	j.pool.queue.left(j.line, calls)
	if j.pool.busy -= calls; j.pool.busy == 0 {
		f.rest(j.pool)
	}
}

// refuse ends all calls of a job that are not in an attempt; when none is, the job is over. f.mu is held.
func (f *Fleet) refuse(j *job, why string) {
	if j.over == "" {
		j.over = why
		j.pool.queue.remove(j)
	}
	f.bury(j)
}

// bury tells who asked that a job is over, once its last attempt has ended. f.mu is held.
func (f *Fleet) bury(j *job) {
	if j.over == "" || j.dead || j.flying > 0 || j.left == 0 {
		return
	}
	j.dead = true
	j.Refuse(j.over)
	if j.keys != nil {
		f.disown(j)
	}
	f.gone(j, j.left)
}

// expire ends the calls of a job that still wait at its deadline; those in an attempt may end well. f.mu is held.
func (f *Fleet) expire(j *job) {
	if j == nil {
		return
	}
	j.late = true
	for _, c := range j.pool.queue.remove(j) {
		f.finish(c, Completion{Err: lateText})
	}
}

const lateText = "not sent: the deadline has passed"
