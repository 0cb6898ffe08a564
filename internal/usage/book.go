package usage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// tick is how often ledgers are looked at: those who wait are answered within this time when others give something back.
const tick = 250 * time.Millisecond

// Book is what one writer (one incarnation of an llmproxy) has reserved and spent. Reserve, Settle and Add are safe for
// concurrent use, before Start too: what they ask for is fetched once the book runs.
type Book struct {
	kv       jetstream.KeyValue
	writer   string
	currency string
	log      *slog.Logger
	poke     chan struct{} // the queue has something
	ending   chan struct{} // closed by Stop
	ended    chan struct{} // closed when no goroutine of the book is left

	mu       sync.Mutex
	ledgers  map[string]*ledger
	queue    []*ledger
	started  bool
	stopping bool
	cancel   context.CancelFunc // ends everything at once; set by Start
}

// In says what unit of money the micros are: the currency of the price table. It is called before Start.
func (b *Book) In(currency string) { b.currency = currency }

// NewBook makes a book on the bucket subjects.BucketUsage. The writer's name must be new at every start of a process: what
// a dead writer held is not its successor's.
func NewBook(kv jetstream.KeyValue, writer string, log *slog.Logger) *Book {
	return &Book{
		kv:      kv,
		writer:  writer,
		log:     log,
		poke:    make(chan struct{}, 1),
		ending:  make(chan struct{}),
		ended:   make(chan struct{}),
		ledgers: map[string]*ledger{},
	}
}

// Start begins to fetch slices and to book what is used. The context bounds nothing but starting. A book starts once;
// after that the error is ErrStopped.
func (b *Book) Start(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.started || b.stopping {
		return ErrStopped
	}
	b.started = true
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	b.cancel = cancel
	go b.run(running)
	return nil
}

// Stop books what was used, gives back what was not, and ends the book's goroutines. Whoever waits is woken and refused
// with ErrStopped. What is reserved stays in the entries and counts as spent, so holds are settled first. When the context
// ends earlier, slices that could not be given back stay too, and the error names their runs.
func (b *Book) Stop(ctx context.Context) error {
	b.mu.Lock()
	first := !b.stopping
	b.stopping = true
	started := b.started
	b.mu.Unlock()
	if !first || !started {
		return nil
	}
	close(b.ending)
	defer b.cancel()
	select {
	case <-b.ended:
	case <-ctx.Done():
		b.cancel()
		<-b.ended
	}
	var errs []error
	for _, l := range b.ledgers { // nobody else changes the map any more
		if err := b.close(ctx, l); err != nil {
			errs = append(errs, fmt.Errorf("usage: run %s: slices stay and count as spent: %w", l.run, err))
		}
	}
	return errors.Join(errs...)
}

// ledger gives the ledger of a run. The lock must be held.
func (b *Book) ledger(run string) *ledger {
	l := b.ledgers[run]
	if l == nil {
		l = newLedger(run)
		l.quiet = time.Now()
		b.ledgers[run] = l
	}
	return l
}

// kick has a worker look at a ledger. The lock must be held.
func (b *Book) kick(l *ledger) {
	l.dirty = true
	if l.busy || l.queued {
		return
	}
	l.queued = true
	b.queue = append(b.queue, l)
	select {
	case b.poke <- struct{}{}:
	default: // it was poked already
	}
}

// run hands ledgers to workers, one worker a ledger at most, until the book ends.
func (b *Book) run(ctx context.Context) {
	defer close(b.ended)
	var workers sync.WaitGroup
	defer workers.Wait()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.ending:
			b.wakeAll()
			return
		case <-b.poke:
		case <-ticker.C:
			b.look(time.Now())
		}
		for _, l := range b.take() {
			workers.Go(func() { b.tend(ctx, l) })
		}
	}
}

// look kicks the ledgers that need it and forgets those that nobody will miss.
func (b *Book) look(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for run, l := range b.ledgers {
		l.roll(now)
		switch {
		case l.needsWork(now):
			b.kick(l)
		case l.forgettable(now):
			delete(b.ledgers, run)
		}
	}
}

// take empties the queue.
func (b *Book) take() []*ledger {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := b.queue
	b.queue = nil
	for _, l := range list {
		l.queued, l.busy = false, true
	}
	return list
}

// wakeAll answers everybody who waits: trying again says ErrStopped.
func (b *Book) wakeAll() {
	b.mu.Lock()
	var wake []func()
	for _, l := range b.ledgers {
		l.release(func(*slice, waiter) bool { return true })
		wake = append(wake, l.wake...)
		l.wake = nil
	}
	b.mu.Unlock()
	for _, w := range wake {
		w()
	}
}
