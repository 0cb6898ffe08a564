package usage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	opTimeout  = 5 * time.Second  // of one read or write; after it nobody knows what became of it
	complain   = 10 * time.Second // how often trouble with the broker is logged
	maxCreates = 20               // writes in a row to a key that is taken and empty, after which it was deleted
)

// pauses between tries: short ones after a conflict, longer ones while the broker is away. Both are random, so that
// several writers do not meet again.
type pauses struct {
	conflict, trouble *backoff.ExponentialBackOff
	logged            time.Time
}

func newPauses() *pauses {
	of := func(first, most time.Duration) *backoff.ExponentialBackOff {
		return &backoff.ExponentialBackOff{InitialInterval: first, RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: most}
	}
	return &pauses{conflict: of(time.Millisecond, 50*time.Millisecond), trouble: of(50*time.Millisecond, 2*time.Second)}
}

func (p *pauses) reset() {
	p.conflict.Reset()
	p.trouble.Reset()
}

// after is how long to wait after an error.
func (p *pauses) after(err error) time.Duration {
	if errors.Is(err, errConflict) || errors.Is(err, errStale) {
		return p.conflict.NextBackOff()
	}
	return p.trouble.NextBackOff()
}

// tend works on a ledger until there is nothing to do or the book ends.
func (b *Book) tend(ctx context.Context, l *ledger) {
	p := newPauses()
	for {
		more, err := b.step(ctx, l, false)
		b.callWaiters(l)
		if err == nil {
			p.reset()
		}
		if err != nil && !b.pause(ctx, l, p, err) || b.done(l, more || err != nil) {
			return
		}
	}
}

// done reports whether the worker may leave the ledger, and marks it so.
func (b *Book) done(l *ledger, more bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.stopping && (more || l.dirty) {
		return false
	}
	l.busy = false
	return true
}

// pause waits after an error. It reports false, having left the ledger, when there is nothing to wait for: the entry is
// damaged, or the book ends.
func (b *Book) pause(ctx context.Context, l *ledger, p *pauses, err error) bool {
	d := p.after(err)
	if errors.Is(err, ErrDamaged) {
		b.mu.Lock()
		defer b.mu.Unlock()
		l.busy, l.dirty = false, false
		return false
	}
	if now := time.Now(); !errors.Is(err, errConflict) && !errors.Is(err, errStale) && now.Sub(p.logged) >= complain {
		p.logged = now
		b.log.Warn("the account of a run cannot be reached; calls wait for it", "run", l.run, "error", err)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-b.ending:
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	l.busy = false
	return false
}

// callWaiters calls those who were found to have an answer, without a lock.
func (b *Book) callWaiters(l *ledger) {
	b.mu.Lock()
	wake := l.wake
	l.wake = nil
	b.mu.Unlock()
	for _, w := range wake {
		w()
	}
}

// close books what is left and takes the writer's record out of the entry, or leaves in it what is reserved. No worker may
// have the ledger.
func (b *Book) close(ctx context.Context, l *ledger) error {
	p := newPauses()
	for {
		more, err := b.step(ctx, l, true)
		if err == nil && !more {
			return nil
		}
		if err == nil {
			continue
		}
		if errors.Is(err, ErrDamaged) {
			return err
		}
		t := time.NewTimer(p.after(err))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}
}

// step reads the entry or writes it, once at most, and reports whether another step is needed.
func (b *Book) step(ctx context.Context, l *ledger, closing bool) (more bool, err error) {
	now := time.Now()
	b.mu.Lock()
	if closing && l.entry == nil && l.own == 0 && len(l.pending) == 0 && !l.unbooked() {
		b.mu.Unlock()
		return false, nil // it was never written
	}
	if l.dirty {
		l.dirty, l.fresh = false, false
	}
	if l.entry == nil || l.unsure {
		b.mu.Unlock()
		return true, b.read(ctx, l)
	}
	p := l.plan(b.writer, b.currency, now, closing)
	switch {
	case p.denied && !l.fresh:
		b.mu.Unlock()
		return true, b.read(ctx, l)
	case !p.changed:
		p.conclude(now)
		b.mu.Unlock()
		return false, nil
	}
	p.begin()
	base := l.revision
	b.mu.Unlock()
	return true, b.write(ctx, p, base)
}

// read takes over the entry as it is now.
func (b *Book) read(ctx context.Context, l *ledger) error {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	stored, err := b.kv.Get(ctx, l.key)
	e, revision := newEntry(), uint64(0)
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		err = b.missing(l)
	case err == nil:
		revision = stored.Revision()
		if e, err = decodeEntry(stored.Value()); err != nil {
			err = fmt.Errorf("run %s: %w", l.run, err)
		}
	}
	now := time.Now()
	b.mu.Lock()
	if err == nil {
		err = l.adopt(e, revision, b.writer, now)
	}
	news := false
	if errors.Is(err, ErrDamaged) {
		news = l.broken == nil
		l.damage(err, now)
	}
	b.mu.Unlock()
	if news {
		b.log.Error("the account of a run cannot be used: nothing more is spent for it", "run", l.run, "error", err)
	}
	return err
}

// missing says what it means that there is no entry: nothing was ever spent, or somebody deleted what was known. A deleted
// key cannot be written as if it were new, so that is how an unknown deletion shows.
func (b *Book) missing(l *ledger) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l.revision > 0 || l.creates >= maxCreates {
		return fmt.Errorf("%w: run %s: it was deleted", ErrDamaged, l.run)
	}
	return nil
}

// write puts a plan into the entry, if it is still as it was. After any error the plan stays pending until the entry shows
// what became of it: even a refusal may be that of a second delivery.
func (b *Book) write(ctx context.Context, p *plan, base uint64) error {
	l := p.ledger
	data, err := p.next.encode()
	var revision uint64
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, opTimeout)
		defer cancel()
		revision, err = b.kv.Update(ctx, l.key, data, base)
	}
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		l.unsure = true
		if errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
			if base == 0 {
				l.creates++
			}
			return fmt.Errorf("%w: %w", errConflict, err)
		}
		return fmt.Errorf("write: %w", err)
	}
	if err := l.adopt(p.next, revision, b.writer, now); err != nil {
		return err
	}
	p.conclude(now)
	return nil
}
