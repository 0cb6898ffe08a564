package promise

import "time"

// queue holds finished tasks, oldest first. Results are kept equally long, so those to be dropped are at the front.
type queue struct {
	list  []*Task
	first int // in list; what is before is dropped
	bytes int64
}

func (q *queue) push(t *Task) {
	q.list = append(q.list, t)
	q.bytes += t.out.size()
}

// oldest is nil for an empty queue.
func (q *queue) oldest() *Task {
	if q.first == len(q.list) {
		return nil
	}
	return q.list[q.first]
}

func (q *queue) pop() {
	q.bytes -= q.list[q.first].out.size()
	q.list[q.first] = nil
	q.first++
	if q.first > len(q.list)/2 { // each task moves once on average
		n := copy(q.list, q.list[q.first:])
		clear(q.list[n:])
		q.list, q.first = q.list[:n], 0
	}
}

// keep makes room for a result and keeps it. p.mu is held.
func (p *Producer) keep(t *Task) {
	p.kept.push(t)
	p.drop(t.since)
}

// drop forgets results that are too old or too many. p.mu is held.
func (p *Producer) drop(now time.Time) {
	for t := p.kept.oldest(); t != nil; t = p.kept.oldest() {
		if p.kept.bytes <= p.cfg.KeepBytes && now.Sub(t.since) < p.cfg.Keep {
			return
		}
		p.kept.pop()
		if p.tasks[t.at] == t {
			delete(p.tasks, t.at)
		}
	}
}
