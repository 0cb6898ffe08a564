package usage

import "slices"

// fetch takes what is asked for, as far as the caps have it, and finds out what they cannot give. What is free in slices
// that nobody waits for is moved to where it is needed before anybody is refused.
func (p *plan) fetch() {
	var denied []string
	for _, m := range p.models() {
		if s := p.ledger.slices[m]; (len(s.waiters) > 0 || s.low) && !p.serve(m) {
			denied = append(denied, m)
		}
	}
	if len(denied) == 0 {
		return
	}
	p.denied = true
	if slices.ContainsFunc(denied, p.shortOfRun) {
		for _, m := range p.models() {
			if len(p.ledger.slices[m].waiters) == 0 {
				p.trim(m)
			}
		}
	}
	for _, m := range denied {
		if p.serve(m) {
			continue
		}
		if p.ledger.slices[m].reserved == (Amount{}) {
			p.trim(m) // too little for us, perhaps not for others
		}
		p.refuse(m)
	}
}

// shortOfRun reports whether it is the cap of the run that somebody of a model waits for.
func (p *plan) shortOfRun(model string) bool {
	room, free := p.next.Cap.room(p.next.taken("")), p.free(model)
	return slices.ContainsFunc(p.ledger.slices[model].waiters, func(w waiter) bool {
		return !w.need.minus(free).within(room)
	})
}

// serve grows the slice of a model so that at least one of those who wait is content. It reports false, and takes nothing,
// if the caps cannot give that much: a piece that is of use to nobody would be missed elsewhere.
func (p *plan) serve(model string) bool {
	s := p.ledger.slices[model]
	room, free := p.next.room(model), p.free(model)
	want := s.recent()
	var least Amount
	content := len(s.waiters) == 0
	for _, w := range s.waiters {
		want = want.plus(w.need)
		if lack := w.need.minus(free); !content && lack.within(room) {
			least, content = lack, true
		}
	}
	if !content {
		return false
	}
	take := want.minus(free).min(room.over(2 * p.sharers())).max(least)
	if take == (Amount{}) {
		p.dry = append(p.dry, model)
		return true
	}
	p.set(model, p.own.Slices[model].plus(take))
	p.changed = true
	return true
}

// sharers is how many writers the rest of a cap is for.
func (p *plan) sharers() uint64 {
	n := uint64(1)
	for w := range p.ledger.others {
		if p.alive(w) {
			n++
		}
	}
	return n
}

// alive reports whether another writer has shown a sign of life.
func (p *plan) alive(writer string) bool {
	seen, ok := p.ledger.others[writer]
	return ok && p.now.Sub(seen.since) < deadAfter
}

// refuse gives a verdict on those who wait for a model: one is refused if a cap could not give what it needs even if all
// came back that is in flight, here or with writers that live.
func (p *plan) refuse(model string) {
	e, s := p.next, p.ledger.slices[model]
	free := p.free(model)
	for _, scope := range []struct {
		cap   *Cap
		model string
	}{{e.Cap, ""}, {e.Models[model].Cap, model}} {
		room := scope.cap.room(e.taken(scope.model))
		back := e.held(scope.model, func(w string, _ open) bool { return w == p.writer || p.alive(w) })
		for _, w := range s.waiters {
			// What is free in our own slice is held too.
			most, left := room.plus(back), e.room(model).plus(free)
			spent := Spent{Run: p.ledger.run, Model: model, Scoped: scope.model != "", Unit: Tokens}
			switch {
			case w.need.Tokens > most.Tokens:
				spent.Cap, spent.Left = scope.cap.Tokens, left.Tokens
			case w.need.Micros > most.Micros:
				spent.Unit, spent.Cap, spent.Left = Money, scope.cap.Micros, left.Micros
			default:
				continue
			}
			if v := p.refused[model]; v == nil || w.need.within(v.need) {
				spent.Need = spent.of(w.need)
				p.refused[model] = &verdict{spent: spent, need: w.need}
			}
		}
	}
}

// of is the part of an amount that the cap is about.
func (e *Spent) of(a Amount) uint64 {
	if e.Unit == Money {
		return a.Micros
	}
	return a.Tokens
}
