package usage

import (
	"maps"
	"slices"
	"time"
)

// plan is the next state of an entry as a writer wants it. It is made under the book's lock and does not change the ledger;
// begin and conclude do.
type plan struct {
	ledger   *ledger
	writer   string
	currency string
	now      time.Time

	next    *entry
	own     open // our record in next
	flushed map[string]flushed
	trimmed []string // slices that give back what is free
	changed bool     // worth writing
	removes bool     // takes our record out
	denied  bool     // somebody waits for more than there is; conclusions need a fresh entry
	newCaps bool
	refused map[string]*verdict
	dry     []string
}

// plan says what the entry should be next. Closing: everything goes back that is not reserved.
func (l *ledger) plan(writer, currency string, now time.Time, closing bool) *plan {
	p := &plan{ledger: l, writer: writer, currency: currency, now: now, next: l.entry.clone(), flushed: map[string]flushed{},
		refused: map[string]*verdict{}}
	p.own = p.next.Writers[writer]
	if p.own.Slices == nil {
		p.own.Slices = map[string]Amount{}
	}
	p.caps()
	p.flush()
	quiet := closing || l.idle(now)
	if quiet {
		for m := range l.slices {
			p.trim(m)
		}
	} else {
		p.keep()
		p.fetch()
	}
	p.alert()
	if l.due(now) || closing && l.unbooked() || len(l.pending) > 0 {
		p.changed = true
	}
	if quiet && !p.changed && l.own > 0 && len(p.own.Slices) == 0 {
		p.changed, p.removes = true, true
	}
	if p.removes {
		delete(p.next.Writers, writer)
	} else {
		p.own.N = l.changes + 1
		p.keep()
	}
	return p
}

// keep puts our record into the next entry.
func (p *plan) keep() { p.next.Writers[p.writer] = p.own }

// caps puts newer caps in force.
func (p *plan) caps() {
	newer := func(have, want *Cap) bool { return want != nil && (have == nil || have.Seq < want.Seq) }
	if w := p.ledger.wanted; newer(p.next.Cap, w) {
		p.next.Cap, p.newCaps = w, true
	}
	for m, s := range p.ledger.slices {
		if of := p.next.Models[m]; newer(of.Cap, s.wanted) {
			of.Cap, p.newCaps = s.wanted, true
			p.next.Models[m] = of
		}
	}
	p.changed = p.changed || p.newCaps
}

// flush books what was settled. Of a use above its reservation, what the slice cannot bear is booked on top of it: the
// reservations of others stand.
func (p *plan) flush() {
	for m, s := range p.ledger.slices {
		if used := s.settled.Plus(s.added); used != (Use{}) {
			of := p.next.Models[m]
			of.Use = of.Use.Plus(used)
			if used.Micros > 0 {
				p.next.Money = p.currency
			}
			p.next.Models[m] = of
			p.flushed[m] = flushed{settled: s.settled, added: s.added}
		}
		p.set(m, p.own.Slices[m].minus(s.settled.Amount()).max(s.reserved))
	}
}

// set makes the slice of a model that large.
func (p *plan) set(model string, a Amount) {
	if a == (Amount{}) {
		delete(p.own.Slices, model)
		return
	}
	p.own.Slices[model] = a
}

// free is what a slice will have to grant.
func (p *plan) free(model string) Amount {
	return p.own.Slices[model].minus(p.ledger.slices[model].reserved)
}

// trim gives back what is free in a slice.
func (p *plan) trim(model string) {
	if p.free(model) == (Amount{}) {
		return
	}
	p.set(model, p.ledger.slices[model].reserved)
	p.trimmed = append(p.trimmed, model)
	p.changed = true
}

// alert notes which parts of a cap were reached. New caps forget those that are out of reach again.
func (p *plan) alert() {
	share := p.next.share()
	if len(p.refused) > 0 {
		share = fraction{1, 1}
	}
	if p.newCaps {
		p.next.Alerts = slices.DeleteFunc(p.next.Alerts, func(a Alert) bool { return !share.reaches(a.Percent) })
	}
	for _, percent := range []int{50, 80, 100} {
		told := slices.ContainsFunc(p.next.Alerts, func(a Alert) bool { return a.Percent >= percent })
		if told || p.next.Cap == nil || !share.reaches(percent) {
			continue
		}
		p.next.Alerts = append(p.next.Alerts, Alert{Percent: percent, Seq: p.next.Cap.Seq, At: p.now.UTC()})
		p.changed = true
	}
}

// begin records that the plan is about to be written.
func (p *plan) begin() {
	l := p.ledger
	l.changes++
	l.pending = append(l.pending, attempt{number: l.changes, base: l.revision, flushed: p.flushed, removes: p.removes})
	for _, m := range p.trimmed {
		s := l.slices[m]
		s.escrow = s.granted.minus(s.reserved).minus(s.settled.Amount())
	}
}

// conclude draws the conclusions of a plan that is in the entry, or did not need to be.
func (p *plan) conclude(now time.Time) {
	for m, v := range p.refused {
		v.at = now
		p.ledger.slices[m].verdict = v
	}
	for m, s := range p.ledger.slices {
		if s.low {
			s.low, s.dry = false, slices.Contains(p.dry, m)
		}
	}
	p.ledger.wakeable(now)
}

// models lists the models of the ledger in one order.
func (p *plan) models() []string { return slices.Sorted(maps.Keys(p.ledger.slices)) }
