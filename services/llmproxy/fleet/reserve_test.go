package fleet

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/modelserver"
	"github.com/myriad-sim/myriad/internal/usage"
)

// A budget is never exceeded: every attempt has leave for all it can cost. When it is spent, the calls that were not made
// are refused, and with more all go on.
func TestABudgetIsNeverExceeded(t *testing.T) {
	for _, batches := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			srv := slow()
			if batches {
				srv.before = after(time.Second)
			}
			s := play(t, config(), srv)
			defer s.Stop()
			s.book.cap = 5000
			first := s.ask(s.spec(), numbered("q", 600), budget(5000))
			second := s.ask(s.spec(), numbered("p", 600), budget(5000))
			other := s.ask(s.spec(), numbered("free", 10), run("other"))
			first.wait()
			second.wait()
			other.wait()
			for _, r := range []*result{first, second} {
				require.True(t, strings.HasPrefix(r.refused, llm.RefusedBudget+"run r1 may spend 5000 tokens"), r.refused)
			}
			answered := first.count(func(c Completion) bool { return c.Err == "" }) + second.count(func(c Completion) bool { return c.Err == "" })
			require.Equal(t, 1200-answered, first.left+second.left)
			require.EqualValues(t, 13*answered, s.book.used.Amount().Tokens)
			require.LessOrEqual(t, s.book.most, uint64(5000))
			require.Greater(t, 13*answered, 4800, "it is used but for what the next call could need")
			require.Empty(t, other.refused)
			s.book.cap = 100_000
			more := s.ask(s.spec(), numbered("q", 600), func(q *Request) { q.Budget = &llm.Budget{Seq: 2, Run: llm.Cap{Tokens: 100_000}} }).wait()
			require.Empty(t, more.refused)
		})
	}
}

// While a slice is fetched the run waits, and others do not.
func TestCallsWaitForASlice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := slow()
		s := play(t, config(), srv)
		defer s.Stop()
		s.book.waits = 1
		r := s.ask(s.spec(), numbered("q", 3), budget(1<<30))
		time.Sleep(time.Minute) //nolint:forbidigo // of synctest's time
		require.Empty(t, srv.order())
		s.ask(s.spec(), numbered("other", 3), run("other")).wait()
		s.book.wakes[0]()
		r.wait()
		require.Equal(t, 3, r.count(func(c Completion) bool { return c.Err == "" }))
	})
}

// What attempts cost that ended without a count is what they can have cost at most.
func TestWhatIsNotKnownToBeUnspentIsSpent(t *testing.T) {
	for kind, spent := range map[modelserver.Kind]bool{
		modelserver.Unreached: false, modelserver.Lost: true, modelserver.Overloaded: false, modelserver.Failing: true,
		modelserver.Rejected: false, modelserver.Forbidden: false, modelserver.Malformed: true,
	} {
		for _, limited := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				var n atomic.Int64
				srv := &scripted{before: func(context.Context, asked) error {
					if n.Add(1) == 1 {
						return oops(kind, "once")
					}
					return nil
				}}
				s := play(t, config(), srv)
				defer s.Stop()
				spec := s.spec()
				spec.Price = usage.Price{In: 1_000_000, Out: 2_000_000} // micros: 1 and 2 a token
				spec.Params.MaxTokens = 100
				change := []func(*Request){system("rules")}
				if limited {
					change = append(change, budget(1<<30))
				}
				r := s.ask(spec, []string{"question"}, change...).wait()
				upper := usage.Upper(len("rules")+len("question"), 2, 100)
				u := s.book.total()
				want := usage.Use{Retries: uint64(r.done[0].Retries)}
				if spent {
					want.Unreported, want.Micros = upper, upper-100+200
				}
				if r.done[0].Err == "" {
					want.Calls, want.TokensIn, want.TokensOut = 1, 10, 3
					want.Micros += 16
				}
				require.Equal(t, want, u, kind.String())
			})
		}
	}
}

// A server that does not count tokens may have used all there were.
func TestTokensThatAreNotCountedCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &scripted{answer: func(context.Context, string) (modelserver.Completion, error) {
			return modelserver.Completion{Text: "hello"}, nil
		}}
		s := play(t, config(), srv)
		defer s.Stop()
		spec := s.spec()
		spec.Params.MaxTokens = 0
		s.ask(spec, []string{"question"}, budget(1<<30)).wait()
		require.Equal(t, usage.Upper(len("question"), 1, 2048), s.book.total().Unreported)
		require.Equal(t, 2048, srv.requests()[0].params.MaxTokens, "under a budget an answer is bounded")
	})
}

// A ledger that cannot be relied on ends the calls with what is wrong.
func TestADamagedBookEndsCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &scripted{}
		s := play(t, config(), srv)
		defer s.Stop()
		s.Fleet.ledger = damaged{s.book}
		r := s.ask(s.spec(), numbered("q", 100), budget(1)).wait()
		require.Equal(t, 100, r.count(func(c Completion) bool { return strings.Contains(c.Err, "damaged") }))
		require.Empty(t, srv.order())
	})
}

type damaged struct{ *ledger }

func (damaged) Reserve(string, string, llm.Budget, usage.Amount, func()) (Hold, error) {
	return nil, usage.ErrDamaged
}
