package fleet

import "slices"

// queue holds the calls of a pool that wait, a line for each run and model. Lines take turns; but in every second turn a
// line whose round is about to close goes before the others: all agents of its run wait for those few calls, and the
// others lose little by them.
type queue struct {
	lines   []*line
	byName  map[lineName]*line
	waiting int
	odd     bool
}

type lineName struct{ run, model string }

func newQueue() queue { return queue{byName: map[lineName]*line{}} }

// admit counts the calls of a new job, which do not wait yet.
func (q *queue) admit(j *job) {
	name := lineName{j.Run, j.spec.Name}
	l, ok := q.byName[name]
	if !ok {
		l = newLine(name)
		q.byName[l.name] = l
		q.lines = append(q.lines, l)
	}
	l.admit(j)
	j.line = l
}

// add lets the calls of a job wait that have not been tried.
func (q *queue) add(j *job) {
	q.waiting += j.end - j.next
	j.line.add(j)
}

// addPack lets calls wait that were tried before; first puts them before all others.
func (q *queue) addPack(p *pack, first bool) {
	l := p.calls[0].job.line
	q.waiting += len(p.calls)
	l.waiting += len(p.calls)
	if first {
		l.again = slices.Insert(l.again, 0, p)
	} else {
		l.again = append(l.again, p)
	}
}

// remove takes out all calls of a job that wait.
func (q *queue) remove(j *job) []call {
	out := j.line.remove(j)
	q.waiting -= len(out)
	return out
}

// left counts calls that have ended; a line goes with its last.
func (q *queue) left(l *line, calls int) {
	if l.busy -= calls; l.busy > 0 {
		return
	}
	delete(q.byName, l.name)
	q.lines = slices.DeleteFunc(q.lines, func(m *line) bool { return m == l })
}

// serve offers lines in the order of their turns until one takes it, and reports whether one did.
func (q *queue) serve(take func(*line) bool) bool {
	var hurried *line
	if q.odd {
		if at := slices.IndexFunc(q.lines, (*line).closing); at >= 0 {
			hurried = q.lines[at]
			if take(hurried) {
				q.odd = false
				q.toBack(hurried)
				return true
			}
		}
	}
	for _, l := range q.lines {
		if l == hurried || l.waiting == 0 || l.parked || !take(l) {
			continue
		}
		q.odd = !q.odd
		q.toBack(l)
		return true
	}
	return false
}

// toBack ends the turn of a line. It may have been removed meanwhile.
func (q *queue) toBack(l *line) {
	if at := slices.Index(q.lines, l); at >= 0 {
		q.lines = append(slices.Delete(q.lines, at, at+1), l)
	}
}
