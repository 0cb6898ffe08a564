package usage

import (
	"time"

	"github.com/myriad-sim/myriad/internal/llm"
)

// Hold is a reservation. Its owner calls Settle exactly once.
type Hold struct {
	book   *Book
	ledger *ledger // nil once settled
	slice  *slice
	need   Amount
}

// Reserve grants need, an upper bound of what a call or a batch of calls of a model may use, or says why not. It never
// blocks, and it may be called under a lock of the caller.
//
// ErrWait: a slice is being fetched, or reservations in flight may give something back; wake is called once, from a
// goroutine of the book and with none of its locks held, when trying again is worth it (that is no promise that it will be
// granted). *Spent: the budget is used up. ErrDamaged: the entry of the run cannot be relied on. ErrStopped: after Stop.
//
// A budget with a higher Seq than the one in force replaces it before anything more is granted.
func (b *Book) Reserve(run, model string, budget llm.Budget, need Amount, wake func()) (*Hold, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopping {
		return nil, ErrStopped
	}
	l := b.ledger(run)
	s := l.slice(model)
	current := l.inForce(s, budget)
	if current && l.broken == nil {
		if free := s.free(); need.within(free) {
			l.inFlight++
			s.reserved = s.reserved.plus(need)
			s.taken = s.taken.plus(need)
			if !s.low && !s.dry && !s.recent().over(4).within(free.minus(need)) {
				s.low = true
				b.kick(l)
			}
			return &Hold{book: b, ledger: l, slice: s, need: need}, nil
		}
	}
	now := time.Now()
	if l.broken != nil && now.Sub(l.brokenAt) < verdictHold {
		return nil, l.broken
	}
	if current && s.verdict.covers(need, now) {
		spent := s.verdict.spent
		spent.Need = spent.of(need)
		return nil, &spent
	}
	s.waiters = append(s.waiters, waiter{need, wake})
	l.waiting++
	b.kick(l)
	return nil, ErrWait
}

// inForce reports whether the entry has the budget's caps, or newer ones, and notes them if it has not.
func (l *ledger) inForce(s *slice, b llm.Budget) bool {
	ofRun := l.entry != nil && l.entry.Cap != nil && l.entry.Cap.Seq >= b.Seq
	if !ofRun && (l.wanted == nil || l.wanted.Seq < b.Seq) {
		l.wanted = &Cap{Seq: b.Seq, Tokens: b.Run.Tokens, Micros: b.Run.Micros}
	}
	ofModel := s.known && s.seq >= b.Seq
	if !ofModel && (s.wanted == nil || s.wanted.Seq < b.Seq) {
		s.wanted = &Cap{Seq: b.Seq, Tokens: b.Model.Tokens, Micros: b.Model.Micros}
	}
	return ofRun && ofModel
}

// Settle books what was really used and gives the rest of the reservation back. Use above the reservation is booked all
// the same, and logged once a run. A second call does nothing. After Stop it does nothing that lasts: the reservation
// stays in the entry and counts as spent.
func (h *Hold) Settle(u Use) {
	b := h.book
	b.mu.Lock()
	l, s := h.ledger, h.slice
	if l == nil {
		b.mu.Unlock()
		return
	}
	h.ledger = nil
	used := u.Amount()
	s.reserved = s.reserved.minus(h.need)
	s.settled = s.settled.Plus(u)
	s.taken = s.taken.minus(h.need.minus(used))
	if l.inFlight--; l.inFlight == 0 {
		l.quiet = time.Now()
	}
	if len(s.waiters) > 0 && s.waiters[0].need.within(s.free()) || l.waiting > 0 && l.inFlight == 0 {
		b.kick(l) // others are looked at with each tick: asking the broker after every call would help nobody
	}
	lied := !used.within(h.need) && !l.lied
	l.lied = l.lied || lied
	b.mu.Unlock()
	if lied {
		b.log.Warn("a model server used more than its request allows: the budget of the run may be exceeded by the difference",
			"run", l.run, "reserved_tokens", h.need.Tokens, "used_tokens", used.Tokens,
			"reserved_micros", h.need.Micros, "used_micros", used.Micros)
	}
}

// Add counts use of a run without budget. It is in the entry within a second, and at Stop; what was added after Stop, or
// in the second before a crash, is not.
func (b *Book) Add(run, model string, u Use) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopping {
		return
	}
	l := b.ledger(run)
	s := l.slice(model)
	s.added = s.added.Plus(u)
	l.quiet = time.Now()
}
