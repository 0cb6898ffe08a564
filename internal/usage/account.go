package usage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Account is what a run may spend and has spent, as of one moment.
type Account struct {
	Caps     Caps
	Models   map[string]Use // settled use by the scenario's name of the model
	Slices   []Slice        // what llmproxies hold, by writer and model
	Alerts   []Alert        // ascending
	Currency string         // unit of the micros; "" before any were spent, or with a price table that names none
	Err      error          // only from Watch: the entry cannot be read; wraps ErrDamaged, and nothing else is set
}

// Caps are the caps in force.
type Caps struct {
	Run    Cap
	Models map[string]Cap // only models that have one
}

// Cap is what may be spent at most; 0 is no cap. Seq is the sequence number of the control record it comes from.
type Cap struct {
	Seq    uint64 `json:"seq"`
	Tokens uint64 `json:"tokens,omitempty"`
	Micros uint64 `json:"micros,omitempty"`
}

// Slice is what a writer took and has not settled: reserved for calls in flight or free, or lost when it died.
type Slice struct {
	Writer string
	Model  string
	Amount Amount
}

// Alert is a part of a cap that was reached. Each is told once; new caps that put it out of reach again take it away.
// 100 is also there when a call was refused because no cap could give what it may need.
type Alert struct {
	Percent int       `json:"percent"` // 50, 80 or 100
	Seq     uint64    `json:"seq"`     // of the run's cap it was reached under
	At      time.Time `json:"at"`
}

// Total is the settled use of all models.
func (a Account) Total() Use {
	var sum Use
	for _, u := range a.Models {
		sum = sum.Plus(u)
	}
	return sum
}

// Held is the sum of all slices: what counts as spent without being settled.
func (a Account) Held() Amount {
	var sum Amount
	for _, s := range a.Slices {
		sum = sum.plus(s.Amount)
	}
	return sum
}

// Share is the largest part of any cap that was settled: 0 without caps, over 1 only when a server used more than was
// reserved for it. Slices are not in it; they move with every call.
func (a Account) Share() float64 {
	most := a.Caps.Run.share(a.Total().Amount())
	for m, c := range a.Caps.Models {
		if f := c.share(a.Models[m].Amount()); most.less(f) {
			most = f
		}
	}
	return float64(most.part) / float64(most.of)
}

// account is the view of an entry.
func (e *entry) account() Account {
	a := Account{Caps: Caps{Models: map[string]Cap{}}, Models: map[string]Use{}, Alerts: e.Alerts, Currency: e.Money}
	if e.Cap != nil {
		a.Caps.Run = *e.Cap
	}
	for m, s := range e.Models {
		a.Models[m] = s.Use
		if s.Cap != nil && (s.Cap.Tokens > 0 || s.Cap.Micros > 0) {
			a.Caps.Models[m] = *s.Cap
		}
	}
	for w, o := range e.Writers {
		for m, amount := range o.Slices {
			a.Slices = append(a.Slices, Slice{Writer: w, Model: m, Amount: amount})
		}
	}
	slices.SortFunc(a.Slices, func(a, b Slice) int {
		return cmp.Or(cmp.Compare(a.Writer, b.Writer), cmp.Compare(a.Model, b.Model))
	})
	return a
}

// Read gives the account of a run; that of a run that has spent nothing is empty. Errors wrap ErrDamaged and name the run,
// or are the broker's.
func Read(ctx context.Context, kv jetstream.KeyValue, run string) (Account, error) {
	stored, err := kv.Get(ctx, subjects.Encode(run))
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return newEntry().account(), nil
	}
	if err != nil {
		return Account{}, fmt.Errorf("usage: read run %s: %w", run, err)
	}
	e, err := decodeEntry(stored.Value())
	if err != nil {
		return Account{}, fmt.Errorf("usage: run %s: %w", run, err)
	}
	return e.account(), nil
}

// Watch calls told with the account of every run, and again after each change, one at a time on its own goroutine, until
// the context ends; then it returns nil. It returns an error when the broker ends the watch.
func Watch(ctx context.Context, kv jetstream.KeyValue, told func(run string, a Account)) error {
	w, err := kv.WatchAll(ctx, jetstream.IgnoreDeletes())
	if err != nil {
		return fmt.Errorf("usage: watch: %w", err)
	}
	defer func() { _ = w.Stop() }() // only ends our own subscription
	for {
		select {
		case <-ctx.Done():
			return nil
		case stored, ok := <-w.Updates():
			switch {
			case !ok && ctx.Err() != nil:
				return nil
			case !ok:
				return errors.New("usage: watch: the connection was closed")
			case stored == nil: // the end of what was there already
				continue
			}
			run, err := subjects.Decode(stored.Key())
			if err != nil {
				continue // a key that no run has
			}
			e, err := decodeEntry(stored.Value())
			if err != nil {
				told(run, Account{Err: fmt.Errorf("usage: run %s: %w", run, err)})
				continue
			}
			told(run, e.account())
		}
	}
}
