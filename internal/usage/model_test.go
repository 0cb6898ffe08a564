package usage

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/natstest"
)

// flaky is a bucket whose answers cannot be trusted: writes arrive and are reported as lost, do not arrive, or arrive late.
type flaky struct {
	jetstream.KeyValue
	percent atomic.Int64 // of operations that go wrong
	late    sync.WaitGroup
}

func (f *flaky) wrong() bool { return rand.Int64N(100) < f.percent.Load() }

func (f *flaky) Get(ctx context.Context, key string) (jetstream.KeyValueEntry, error) {
	if f.wrong() {
		return nil, errStale // any error; this one is tried again soon
	}
	return f.KeyValue.Get(ctx, key)
}

func (f *flaky) Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	if !f.wrong() {
		return f.KeyValue.Update(ctx, key, value, revision)
	}
	var lost error = jetstream.ErrKeyRevisionMismatch // what a second delivery of an own write gets
	if rand.IntN(8) == 0 {
		lost = nats.ErrTimeout
	}
	switch rand.IntN(3) {
	case 0: // it never arrives
	case 1:
		_, _ = f.KeyValue.Update(ctx, key, value, revision)
	case 2:
		f.late.Add(1)
		after := time.Duration(rand.Int64N(int64(3 * time.Millisecond)))
		time.AfterFunc(after, func() {
			defer f.late.Done()
			_, _ = f.KeyValue.Update(context.WithoutCancel(ctx), key, value, revision)
		})
	}
	return 0, lost
}

// world is a run with several books, and what is really spent in it.
type world struct {
	t      *rapid.T
	kv     *flaky
	run    string
	books  []*Book
	starts int
	budget map[string]llm.Budget // newest by model
	seq    uint64
	holds  []held
	spent  map[string]Amount // by model: settled, and what died in flight
	died   Amount            // what was in flight when its book died
	lost   bool              // some book died
}

type held struct {
	*Hold
	model string
}

var models = []string{"a", "b"}

func (w *world) start(i int) {
	w.starts++
	w.books[i] = NewBook(w.kv, fmt.Sprintf("w%d", w.starts), quiet)
	require.NoError(w.t, w.books[i].Start(context.Background()))
}

// outstanding takes the holds of a book off the list.
func (w *world) outstanding(b *Book) (list []held) {
	var rest []held
	for _, h := range w.holds {
		if h.book == b {
			list = append(list, h)
			continue
		}
		rest = append(rest, h)
	}
	w.holds = rest
	return list
}

func (w *world) settle(h held) {
	u := Use{
		Calls:      1,
		TokensIn:   rapid.Uint64Range(0, h.need.Tokens).Draw(w.t, "used"),
		Micros:     rapid.Uint64Range(0, h.need.Micros).Draw(w.t, "cost"),
		Unreported: 0,
	}
	w.spent[h.model] = w.spent[h.model].plus(u.Amount())
	h.Settle(u)
}

// check: what is spent, and what may be, is within every cap that was ever given out.
func (w *world) check() {
	total := Amount{}
	for _, m := range models {
		most := w.spent[m]
		for _, h := range w.holds {
			if h.model == m {
				most = most.plus(h.need)
			}
		}
		c := w.budget[m].Model
		require.True(w.t, most.within(capped(c)), "model %s: %v of %v", m, most, c)
		total = total.plus(most)
	}
	c := w.budget[models[0]].Run
	require.True(w.t, total.within(capped(c)), "run: %v of %v", total, c)
}

func capped(c llm.Cap) Amount { return (&Cap{Tokens: c.Tokens, Micros: c.Micros}).room(Amount{}) }

// raise gives all models a budget that is nowhere smaller.
func (w *world) raise(by uint64) {
	w.seq += rapid.Uint64Range(1, 3).Draw(w.t, "seq")
	more := func(c llm.Cap) llm.Cap {
		return llm.Cap{Tokens: c.Tokens + rapid.Uint64Range(1, by).Draw(w.t, "tokens"),
			Micros: c.Micros + rapid.Uint64Range(1, by).Draw(w.t, "micros")}
	}
	run := more(w.budget[models[0]].Run)
	for _, m := range models {
		w.budget[m] = llm.Budget{Seq: w.seq, Run: run, Model: more(w.budget[m].Model)}
	}
}

func (w *world) actions() map[string]func(*rapid.T) {
	book := func() int { return rapid.IntRange(0, len(w.books)-1).Draw(w.t, "book") }
	return map[string]func(*rapid.T){
		"": func(*rapid.T) { w.check() },
		"reserve": func(t *rapid.T) {
			m := rapid.SampledFrom(models).Draw(t, "model")
			need := Amount{rapid.Uint64Range(0, 300).Draw(t, "need"), rapid.Uint64Range(0, 300).Draw(t, "price")}
			b := w.books[book()]
			h, err := reserve(b, w.run, m, w.budget[m], need, 15*time.Millisecond)
			var spent *Spent
			switch {
			case err == nil:
				w.holds = append(w.holds, held{h, m})
			case errors.As(err, &spent):
				require.Equal(t, spent.of(need), spent.Need)
				require.Less(t, spent.Left, spent.Need)
			default:
				require.ErrorIs(t, err, ErrWait)
			}
		},
		"settle": func(t *rapid.T) {
			if len(w.holds) == 0 {
				t.Skip("nothing is in flight")
			}
			i := rapid.IntRange(0, len(w.holds)-1).Draw(t, "hold")
			h := w.holds[i]
			w.holds = append(w.holds[:i], w.holds[i+1:]...)
			w.settle(h)
		},
		"raise": func(*rapid.T) { w.raise(200) },
		"crash": func(*rapid.T) {
			i := book()
			w.books[i].crash()
			for _, h := range w.outstanding(w.books[i]) { // its server may answer all the same
				w.spent[h.model] = w.spent[h.model].plus(h.need)
				w.died = w.died.plus(h.need)
			}
			w.lost = true
			w.start(i)
		},
		"restart": func(*rapid.T) {
			i := book()
			for _, h := range w.outstanding(w.books[i]) {
				w.settle(h)
			}
			require.NoError(w.t, w.books[i].Stop(context.Background()))
			w.start(i)
		},
		"faults": func(t *rapid.T) { w.kv.percent.Store(rapid.SampledFrom([]int64{0, 10, 50}).Draw(t, "percent")) },
	}
}

// finish stops everything and compares the books with what was really spent.
func (w *world) finish() {
	for _, h := range w.holds {
		w.settle(h)
	}
	w.holds = nil
	for _, b := range w.books {
		require.NoError(w.t, b.Stop(context.Background()))
	}
	w.kv.late.Wait()
	a, err := Read(context.Background(), w.kv.KeyValue, w.run)
	require.NoError(w.t, err)
	truth := w.spent[models[0]].plus(w.spent[models[1]])
	settled, slices := a.Total().Amount(), a.Held()
	require.True(w.t, truth.within(settled.plus(slices)), "spent %v, booked %v and %v", truth, settled, slices)
	require.True(w.t, settled.plus(slices).within(capped(w.budget[models[0]].Run)))
	if !w.lost {
		require.Equal(w.t, truth, settled)
		require.Empty(w.t, a.Slices)
	}
	require.True(w.t, settled.within(truth.minus(w.died)), "nothing is booked twice")
}

// TestABudgetIsNeverExceeded plays random histories of books that reserve, settle, die, restart and get more, on a bucket
// that loses, delays and repeats.
func TestABudgetIsNeverExceeded(t *testing.T) {
	kv := &flaky{KeyValue: bucket(t, natstest.Start(t))}
	var runs atomic.Uint64
	rapid.Check(t, func(rt *rapid.T) {
		w := &world{t: rt, kv: kv, run: fmt.Sprintf("run-%d", runs.Add(1)), books: make([]*Book, 3),
			budget: map[string]llm.Budget{}, spent: map[string]Amount{}}
		kv.percent.Store(0)
		w.raise(1500)
		for i := range w.books {
			w.start(i)
		}
		defer func() {
			for _, b := range w.books {
				b.cancel() // after a failure nothing is left behind
			}
		}()
		rt.Repeat(w.actions())
		kv.percent.Store(0)
		w.finish()
	})
}

// TestManyCallersNeverExceedTheCap is two llmproxies with 32 calls at a time each, until the budget is spent.
func TestManyCallersNeverExceedTheCap(t *testing.T) {
	kv := bucket(t, natstest.Start(t))
	books := []*Book{openBook(t, kv, "w1"), openBook(t, kv, "w2")}
	const limit = 3_000_000
	budget := caps(1, limit)
	var spent, calls atomic.Uint64
	var shares [2]atomic.Uint64
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 1))
			for {
				need := 1 + random.Uint64N(200)
				h, err := reserve(books[i%2], "r", "m", budget, tokens(need), 4*patience)
				if err != nil {
					if _, ok := errors.AsType[*Spent](err); !ok {
						t.Error(err)
					}
					return
				}
				u := random.Uint64N(need + 1)
				if now := spent.Add(u); now > limit {
					t.Errorf("%d tokens spent", now)
				}
				calls.Add(1)
				shares[i%2].Add(u)
				h.Settle(used(u))
			}
		})
	}
	wg.Wait()
	for _, b := range books {
		stop(t, b)
	}
	a := account(t, kv, "r")
	require.Equal(t, Use{Calls: calls.Load(), TokensIn: spent.Load()}, a.Total())
	require.Empty(t, a.Slices)
	require.Greater(t, spent.Load(), uint64(limit-200), "what is left is less than the largest call")
	for i := range shares {
		require.Greater(t, shares[i].Load(), uint64(limit/20), "both get their part")
	}
	t.Logf("%d calls, %d and %d tokens", calls.Load(), shares[0].Load(), shares[1].Load())
}

func BenchmarkReserveAndSettle(b *testing.B) {
	kv := bucket(b, natstest.Start(b))
	book := openBook(b, kv, "w1")
	budget := llm.Budget{Seq: 1, Run: llm.Cap{Tokens: 1 << 60, Micros: 1 << 60}, Model: llm.Cap{Tokens: 1 << 60}}
	need := Amount{Tokens: 800, Micros: 40}
	u := Use{Calls: 1, TokensIn: 150, TokensOut: 20, Micros: 9}
	waits := 0
	wake := func() {}
	b.ReportAllocs()
	for b.Loop() {
		h, err := book.Reserve("run", "model", budget, need, wake)
		if err != nil {
			waits++
			hold(b, book, "run", "model", budget, need).Settle(u)
			continue
		}
		h.Settle(u)
	}
	b.ReportMetric(float64(waits)/float64(b.N), "waits/op")
}
