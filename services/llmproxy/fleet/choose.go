package fleet

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"time"
)

// ahead is how many groups are looked at for one whose home has a place, before calls go elsewhere.
const ahead = 16

// pick finds the next calls of a line, an endpoint that takes them now, and how many it takes; no endpoint: none does.
func (f *Fleet) pick(p *pool, l *line, now time.Time) (source, *endpoint, int) {
	if len(l.again) > 0 {
		k := l.again[0]
		j := k.calls[0].job
		e, n := f.choose(p, j.spec, p.rank(j), func(*endpoint) int { return len(k.calls) }, k.alone, now)
		return source{pack: k}, e, n
	}
	for i := range l.tiers {
		t := &l.tiers[i]
		if len(t.groups) == 0 {
			continue
		}
		alone := i == followUps && t.waiting <= quantum // so few that a batch would only let them wait for each other
		t.rotate(max(quantum, t.groups[0].batch))
		if f.cfg.Affinity && len(p.endpoints) > 1 {
			for _, g := range t.groups[:min(ahead, len(t.groups))] {
				if e := p.home(g); e != nil && !f.crowded(p, e, g.batch) {
					if n := f.seats(e, g.spec, t.company(p, g, e, f.most(e)), alone, now); n > 0 {
						g.batch = n
						return source{tier: t, group: g}, e, n
					}
				}
			}
		}
		g := t.groups[0]
		waiting := func(e *endpoint) int { return t.company(p, g, e, f.most(e)) }
		e, n := f.choose(p, g.spec, p.rank(g.jobs[0]), waiting, alone, now)
		if e != nil {
			g.batch = n
		}
		return source{tier: t, group: g}, e, n
	}
	return source{}, nil, 0
}

// most is how many calls can share a request to an endpoint.
func (f *Fleet) most(e *endpoint) int {
	if e.kind == single {
		return 1
	}
	return f.cfg.MaxBatch
}

// choose finds the endpoint for calls: their home, which is the first of rank that can be reached; if it has no place or
// more to do than the others, the one with the least to do. Rank is nil for calls without a home.
func (f *Fleet) choose(p *pool, s *Spec, rank []*endpoint, waiting func(*endpoint) int, alone bool, now time.Time) (*endpoint, int) {
	if !f.cfg.Affinity {
		for i := range p.endpoints {
			e := p.endpoints[(p.turn+i)%len(p.endpoints)]
			if n := f.seats(e, s, waiting(e), alone, now); n > 0 {
				p.turn += i + 1
				return e, n
			}
		}
		return nil, 0
	}
	home := first(rank)
	if home != nil && !f.crowded(p, home, 0) {
		if n := f.seats(home, s, waiting(home), alone, now); n > 0 {
			return home, n
		}
	}
	var best *endpoint
	most := 0
	for _, e := range p.endpoints {
		if best != nil && best.flying <= e.flying {
			continue
		}
		if n := f.seats(e, s, waiting(e), alone, now); n > 0 {
			best, most = e, n
		}
	}
	if best != nil && home != nil && best != home {
		f.series(best, s).spills.Add(float64(most))
	}
	return best, most
}

// crowded reports an endpoint that has more to do than the others of the pool by the set factor, and a batch or a quantum.
func (f *Fleet) crowded(p *pool, e *endpoint, batch int) bool {
	sum, n := 0, 0
	for _, o := range p.endpoints {
		if o.state != down {
			sum += o.flying
			n++
		}
	}
	return n > 1 && float64(e.flying) > f.cfg.SpillFactor*float64(sum)/float64(n)+float64(max(quantum, batch))
}

// home is where the calls of a group go if they can; nil: anywhere.
func (p *pool) home(g *group) *endpoint { return first(p.rank(g.jobs[0])) }

// rank orders the endpoints by a hash of each and the system prompt of a job: every proxy finds the same order, and when
// an endpoint goes down only its own prompts move. It is nil for jobs without a shared prompt or a choice.
func (p *pool) rank(j *job) []*endpoint {
	if j.System == "" || len(p.endpoints) < 2 {
		return nil
	}
	if j.homes != nil {
		return j.homes
	}
	type scored struct {
		e     *endpoint
		score [sha256.Size]byte
	}
	list := make([]scored, len(p.endpoints))
	prompt := sha256.Sum256([]byte(j.System))
	for i, e := range p.endpoints {
		list[i] = scored{e, sha256.Sum256(slices.Concat([]byte(e.at.URL), []byte{0}, []byte(j.spec.Params.Model), []byte{0}, prompt[:]))}
	}
	slices.SortFunc(list, func(a, b scored) int { return bytes.Compare(b.score[:], a.score[:]) })
	j.homes = make([]*endpoint, len(list))
	for i, s := range list {
		j.homes[i] = s.e
	}
	return j.homes
}

// first is the best endpoint that can be reached.
func first(rank []*endpoint) *endpoint {
	for _, e := range rank {
		if e.state != down {
			return e
		}
	}
	return nil
}
