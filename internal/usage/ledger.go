package usage

import (
	"fmt"
	"time"

	"github.com/myriad-sim/myriad/pkg/subjects"
)

const (
	flushEvery  = time.Second      // use that was settled is in the entry no later than this
	quietFor    = time.Second      // without a call in flight, after which slices go back
	sayAlive    = 2 * time.Second  // how often a writer with calls in flight changes its record
	deadAfter   = 5 * time.Second  // a record that did not change for so long gives nothing back
	verdictHold = time.Second      // how long a refusal stands before the entry is asked again
	forgetAfter = time.Minute      // quiet runs leave memory
	brokenRetry = 10 * time.Second // how often a damaged entry is looked at again for use that waits to be booked
)

// ledger is what a writer knows of one run. The book's lock guards it.
type ledger struct {
	run, key string
	slices   map[string]*slice // by model

	inFlight int // holds that are not settled
	waiting  int
	quiet    time.Time // when the last hold was settled or use was added
	lied     bool      // a use above its reservation was logged
	wanted   *Cap      // newest that came with a request; nil: none yet

	entry    *entry // as last seen; nil: not read, or not to be relied on
	revision uint64
	unsure   bool      // somebody else may have written since
	own      uint64    // number of our record in the entry; 0: there is none
	changes  uint64    // number of our last attempt
	pending  []attempt // writes of which nothing was heard; all on revision
	wroteAt  time.Time
	creates  int // writes in a row that found the key taken and nothing there
	others   map[string]sighting
	broken   error // wraps ErrDamaged
	brokenAt time.Time

	queued, busy bool // on the book's list; in the hands of a worker
	dirty, fresh bool // something changed since the worker looked; the entry was seen since then
	rolledAt     time.Time
	wake         []func() // to be called by the worker
}

// slice is what is known of one model of the run.
type slice struct {
	granted  Amount // ours in the entry
	reserved Amount // of holds that are not settled
	escrow   Amount // being given back: not to be granted until the outcome is known
	settled  Use    // of holds, not in the entry yet
	added    Use    // of calls without budget, not in the entry yet

	wanted  *Cap // newest that came with a request; nil: none yet
	known   bool // the entry has a cap of this model, from record seq
	seq     uint64
	taken   Amount // net of what came back, since the last roll
	before  Amount // the same of the second before
	low     bool   // more should be fetched before it runs out
	dry     bool   // there was nothing to fetch; until the next roll
	waiters []waiter
	verdict *verdict
}

type waiter struct {
	need Amount
	wake func()
}

// verdict is a refusal that stands for a moment, for every need that is not smaller.
type verdict struct {
	spent Spent
	need  Amount
	at    time.Time
}

// attempt is a write that may or may not have arrived.
type attempt struct {
	number  uint64
	base    uint64 // revision it was made on: it is either the next one or never arrives
	flushed map[string]flushed
	removes bool // it takes our record out, and does nothing else
}

// flushed is the part of a slice's use that an attempt books.
type flushed struct{ settled, added Use }

// sighting is the record of another writer, and since when it has not changed.
type sighting struct {
	number uint64
	since  time.Time
}

func newLedger(run string) *ledger {
	return &ledger{run: run, key: subjects.Encode(run), slices: map[string]*slice{}, others: map[string]sighting{}}
}

func (l *ledger) slice(model string) *slice {
	s := l.slices[model]
	if s == nil {
		s = &slice{}
		l.slices[model] = s
	}
	return s
}

// free is what may be granted at once.
func (s *slice) free() Amount {
	return s.granted.minus(s.reserved).minus(s.settled.Amount()).minus(s.escrow)
}

// recent is what a second takes.
func (s *slice) recent() Amount { return s.taken.max(s.before) }

// adopt takes over a state of the entry that was read, or written by us. Errors are errStale and those that wrap ErrDamaged.
func (l *ledger) adopt(e *entry, revision uint64, writer string, now time.Time) error {
	if revision < l.revision {
		return errStale
	}
	own, there := e.Writers[writer]
	l.resolve(own.N, there, revision, now)
	if own.N != l.own || there != (l.own > 0) {
		return fmt.Errorf("%w: run %s: our record is number %d, it was %d when we wrote it", ErrDamaged, l.run, own.N, l.own)
	}
	if l.entry == nil || e.Cap != nil && (l.entry.Cap == nil || *e.Cap != *l.entry.Cap) {
		for _, s := range l.slices {
			s.verdict = nil
		}
	}
	l.entry, l.revision, l.unsure, l.fresh, l.broken = e, revision, false, true, nil
	for m := range own.Slices {
		l.slice(m)
	}
	for m, s := range l.slices {
		s.granted = own.Slices[m]
		if c := e.Models[m].Cap; c != nil {
			if s.known && s.seq < c.Seq {
				s.verdict = nil
			}
			s.known, s.seq = true, c.Seq
		}
	}
	l.see(e, writer, now)
	return nil
}

// resolve finds out which of the pending attempts arrived, if one did: all were made on the same revision, so at most one.
func (l *ledger) resolve(number uint64, there bool, revision uint64, now time.Time) {
	for _, a := range l.pending {
		arrived := there && number == a.number || a.removes && !there && revision > a.base
		if !arrived {
			continue
		}
		for m, f := range a.flushed {
			s := l.slice(m)
			s.settled, s.added = s.settled.less(f.settled), s.added.less(f.added)
		}
		l.own = number
		l.wroteAt = now
		l.creates = 0
		l.pending = nil
		break
	}
	if len(l.pending) > 0 && revision == l.pending[0].base {
		return // they may still arrive
	}
	l.pending = nil
	for _, s := range l.slices {
		s.escrow = Amount{}
	}
}

// see notes which writers change their records.
func (l *ledger) see(e *entry, writer string, now time.Time) {
	for w := range l.others {
		if _, ok := e.Writers[w]; !ok {
			delete(l.others, w)
		}
	}
	for w, o := range e.Writers {
		if w == writer {
			continue
		}
		if seen, ok := l.others[w]; !ok || seen.number != o.N {
			l.others[w] = sighting{number: o.N, since: now}
		}
	}
}

// idle reports whether slices should go back.
func (l *ledger) idle(now time.Time) bool {
	return l.inFlight == 0 && l.waiting == 0 && now.Sub(l.quiet) >= quietFor
}

// due reports whether the entry should be written though nothing is asked for: use to book, or calls in flight that others
// must not take for dead.
func (l *ledger) due(now time.Time) bool {
	since := now.Sub(l.wroteAt)
	return since >= flushEvery && l.unbooked() || since >= sayAlive && l.inFlight > 0 && l.own > 0
}

// unbooked reports whether there is use that the entry does not have.
func (l *ledger) unbooked() bool {
	for _, s := range l.slices {
		if s.settled != (Use{}) || s.added != (Use{}) {
			return true
		}
	}
	return false
}

// needsWork reports whether a worker should look at the ledger now.
func (l *ledger) needsWork(now time.Time) bool {
	if l.broken != nil && now.Sub(l.brokenAt) < brokenRetry {
		return false
	}
	return l.waiting > 0 || l.due(now) || len(l.pending) > 0 || l.own > 0 && l.idle(now)
}

// forgettable reports whether nothing is lost when the ledger is.
func (l *ledger) forgettable(now time.Time) bool {
	return !l.busy && !l.queued && l.own == 0 && len(l.pending) == 0 && l.idle(now) && !l.unbooked() &&
		now.Sub(l.quiet) >= forgetAfter
}

// roll begins a new second of what is taken.
func (l *ledger) roll(now time.Time) {
	if now.Sub(l.rolledAt) < time.Second {
		return
	}
	l.rolledAt = now
	for _, s := range l.slices {
		s.before, s.taken, s.dry = s.taken, Amount{}, false
	}
}

// damage stops all spending of the run; who waits is told when trying again.
func (l *ledger) damage(err error, now time.Time) {
	l.broken, l.brokenAt, l.entry = err, now, nil
	l.release(func(*slice, waiter) bool { return true })
}

// wakeable moves the waiters that would get an answer now to the list of those to be called.
func (l *ledger) wakeable(now time.Time) {
	free := Amount{}
	var of *slice
	l.release(func(s *slice, w waiter) bool {
		if s != of {
			of, free = s, s.free()
		}
		if w.need.within(free) {
			free = free.minus(w.need)
			return true
		}
		return s.verdict.covers(w.need, now)
	})
}

// release moves the waiters that yes says to the list of those to be called, model by model and in order.
func (l *ledger) release(yes func(*slice, waiter) bool) {
	if l.waiting == 0 {
		return
	}
	for _, s := range l.slices {
		kept := s.waiters[:0]
		for _, w := range s.waiters {
			if yes(s, w) {
				l.wake = append(l.wake, w.wake)
				l.waiting--
				continue
			}
			kept = append(kept, w)
		}
		clear(s.waiters[len(kept):])
		s.waiters = kept
	}
}

// covers reports whether the refusal, if there is one, still stands for a need.
func (v *verdict) covers(need Amount, now time.Time) bool {
	return v != nil && now.Sub(v.at) < verdictHold && v.need.within(need)
}
