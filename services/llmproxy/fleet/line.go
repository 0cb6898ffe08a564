package fleet

import (
	"slices"
	"strings"

	"github.com/myriad-sim/myriad/internal/llm"
)

// line is the calls of one run and model that wait: first those that were tried before, then follow-ups and interviews,
// then first asks.
type line struct {
	name    lineName
	again   []*pack
	tiers   [2]tier // follow-ups, first asks
	waiting int
	busy    int               // calls without an end
	parked  bool              // its budget is being asked for
	told    bool              // the reporter was told that it waits
	round   int               // the last it has seen
	seen    int               // calls of that round
	jobs    map[*job]struct{} // with calls that have no end
}

// The tiers of a line.
const (
	followUps = iota
	firstAsks
)

// pack is calls that go together, if the endpoint takes batches.
type pack struct {
	calls []call
	alone bool // they do not go together
	pause pause
}

func newLine(name lineName) *line {
	l := &line{name: lineName{strings.Clone(name.run), name.model}, // a request's strings are parts of its payload
		jobs: map[*job]struct{}{}}
	for i := range l.tiers {
		l.tiers[i].byName = map[groupName]*group{}
	}
	return l
}

func (l *line) admit(j *job) {
	l.busy += j.Len
	l.jobs[j] = struct{}{}
	if j.Round > l.round {
		l.round, l.seen = j.Round, 0
	}
	if j.Round == l.round {
		l.seen += j.Len
	}
}

func (l *line) add(j *job) {
	l.waiting += j.end - j.next
	at := followUps
	if j.Purpose == llm.PurposeAnswer {
		at = firstAsks
	}
	l.tiers[at].add(j)
}

// closing reports a line with so few calls of its round left that they hold up the others.
func (l *line) closing() bool {
	return l.waiting > 0 && !l.parked && l.waiting <= max(64, l.seen/100)
}

// remove takes out all calls of a job.
func (l *line) remove(j *job) []call {
	var out []call
	for ; j.next < j.end; j.next++ {
		out = append(out, j.at(j.next))
	}
	if j.group != nil {
		j.group.remove(j, len(out))
	}
	for _, p := range l.again {
		p.calls = slices.DeleteFunc(p.calls, func(c call) bool {
			if c.job == j {
				out = append(out, c)
			}
			return c.job == j
		})
	}
	l.again = slices.DeleteFunc(l.again, func(p *pack) bool { return len(p.calls) == 0 })
	l.waiting -= len(out)
	return out
}

// at is the nth call of a job.
func (j *job) at(n int) call {
	if j.order != nil {
		n = int(j.order[n])
	}
	return call{job: j, index: n}
}

// source is where the next calls of a line come from: a pack, or groups of a tier from one on.
type source struct {
	pack  *pack
	tier  *tier
	group *group
}

// spec is that of the calls which the source gives.
func (s source) spec() *Spec {
	if s.pack != nil {
		return s.pack.calls[0].job.spec
	}
	return s.group.spec
}

// take takes n calls at most out of the first pack.
func (l *line) take(p *pack, n int) []call {
	n = min(n, len(p.calls))
	out := p.calls[:n:n]
	p.calls = p.calls[n:]
	if len(p.calls) == 0 {
		l.again = l.again[1:]
	}
	return out
}
