package fleet

import (
	"slices"
	"strings"
)

// tier is groups that take turns, a quantum of calls each: long enough for the prefix cache of a server to be of use, and
// short enough that none waits for all the calls of another.
type tier struct {
	groups  []*group // the first is being served
	byName  map[groupName]*group
	waiting int
}

// group is the jobs of a line that have their system prompt and the parameters of their requests in common.
type group struct {
	name    groupName
	spec    *Spec
	tier    *tier
	jobs    []*job // take turns
	waiting int
	served  int // calls of its turn
	batch   int // its last batch
}

type groupName struct{ manner, system string }

func (t *tier) add(j *job) {
	name := groupName{j.spec.manner, j.System}
	g, ok := t.byName[name]
	if !ok {
		name.system = strings.Clone(name.system) // it is part of a payload
		g = &group{name: name, spec: j.spec, tier: t}
		t.byName[name] = g
		t.groups = append(t.groups, g)
	}
	j.group = g
	g.jobs = append(g.jobs, j)
	g.waiting += j.end - j.next
	t.waiting += j.end - j.next
}

// take appends n calls at most. The jobs of the group take turns.
func (g *group) take(out []call, n int) []call {
	for n > 0 && len(g.jobs) > 0 {
		j := g.jobs[0]
		k := min(n, j.end-j.next)
		for range k {
			out = append(out, j.at(j.next))
			j.next++
		}
		n -= k
		g.waiting -= k
		g.tier.waiting -= k
		g.served += k
		switch {
		case j.next == j.end:
			j.group = nil
			g.jobs = g.jobs[1:]
		case len(g.jobs) > 1:
			g.jobs = append(g.jobs[1:], j)
		}
	}
	g.settle()
	return out
}

// settle ends a group without calls.
func (g *group) settle() {
	if len(g.jobs) > 0 {
		return
	}
	delete(g.tier.byName, g.name)
	g.tier.groups = slices.DeleteFunc(g.tier.groups, func(h *group) bool { return h == g })
}

// remove takes out a job with the given number of calls.
func (g *group) remove(j *job, calls int) {
	g.jobs = slices.DeleteFunc(g.jobs, func(k *job) bool { return k == j })
	g.waiting -= calls
	g.tier.waiting -= calls
	j.group = nil
	g.settle()
}

// rotate gives the turn to the next group once the first has had its quantum.
func (t *tier) rotate(most int) {
	if len(t.groups) > 1 && t.groups[0].served >= most {
		g := t.groups[0]
		g.served = 0
		t.groups = append(t.groups[1:], g)
	}
}

// mates are a group and those that can share a batch with it at an endpoint, up to n calls.
func (t *tier) mates(p *pool, g *group, e *endpoint, n int) []*group {
	const look = 64 // groups further off wait for their turn
	list := []*group{g}
	have := g.waiting
	for _, h := range t.groups[:min(look, len(t.groups))] {
		if have >= n {
			break
		}
		if h == g || h.name.manner != g.name.manner {
			continue
		}
		if home := p.home(h); home == nil || home == e {
			list = append(list, h)
			have += h.waiting
		}
	}
	return list
}

// company is the number of calls that could go with a group to an endpoint, n at most.
func (t *tier) company(p *pool, g *group, e *endpoint, n int) int {
	if g.waiting >= n || len(t.groups) == 1 {
		return min(n, g.waiting)
	}
	have := 0
	for _, h := range t.mates(p, g, e, n) {
		have += h.waiting
	}
	return min(n, have)
}

// take takes n calls at most of a group and its mates.
func (t *tier) take(p *pool, g *group, e *endpoint, n int) []call {
	out := make([]call, 0, n)
	if g.waiting >= n || len(t.groups) == 1 {
		return g.take(out, n)
	}
	for _, h := range t.mates(p, g, e, n) {
		out = h.take(out, n-len(out))
	}
	return out
}
