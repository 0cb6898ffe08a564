package results

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/report"
	"github.com/myriad-sim/myriad/internal/usage"
)

// A run in whose answers are 100 tokens in and 20 out, after 2 retries.
func answered() report.Summary {
	return report.Summary{
		Rounds:  []report.Round{{TokensIn: 60, TokensOut: 15}, {TokensIn: 40, TokensOut: 5}},
		Receipt: report.Receipt{Duplicates: 3, RepeatedCalls: 4, Retries: 2, Shared: 1, TokensIn: 100, TokensOut: 20},
	}
}

func TestSpentIsAllThatWasSpent(t *testing.T) {
	a := usage.Account{
		Currency: "USD",
		Models: map[string]usage.Use{
			"m": {Calls: 9, Retries: 5, Hedges: 1, Shared: 2, TokensIn: 130, TokensOut: 21, Unreported: 40, Micros: 300},
			"n": {Retries: 1, TokensIn: 7, Micros: 120_000},
		},
		Slices: []usage.Slice{{Writer: "w", Model: "m", Amount: usage.Amount{Tokens: 1000, Micros: 500_000}}},
	}
	s := answered()
	Spent(&s, a)
	require.Equal(t, report.Receipt{
		Duplicates: 3, RepeatedCalls: 4, Retries: 6, Hedges: 1, Shared: 2, TokensIn: 137, TokensOut: 21, TokensUnreported: 40, Money: "0.1203", Currency: "USD",
	}, s.Receipt, "what is held of a run that goes on is not spent")

	s = answered()
	ended := time.Now()
	s.Finished = &ended
	a.Currency = ""
	Spent(&s, a)
	require.Equal(t, 1040, s.Receipt.TokensUnreported, "nobody gives back what is held of a run that is over")
	require.Equal(t, "0.6203", s.Receipt.Money)
	require.Empty(t, s.Receipt.Currency)
}

// The account follows the log: what the answers say is believed where it is more.
func TestSpentIsNoLessThanWhatTheAnswersSay(t *testing.T) {
	s := answered()
	Spent(&s, usage.Account{})
	require.Equal(t, answered().Receipt, s.Receipt)
	require.Empty(t, s.Receipt.Money)
	Spent(&s, usage.Account{Models: map[string]usage.Use{"m": {TokensIn: math.MaxUint64}}})
	require.Equal(t, math.MaxInt, s.Receipt.TokensIn)
}

func TestSettled(t *testing.T) {
	s := answered()
	use := func(in, out uint64) usage.Account {
		return usage.Account{Models: map[string]usage.Use{"m": {TokensIn: in}, "n": {TokensOut: out}}}
	}
	require.False(t, Settled(&s, use(99, 20)))
	require.False(t, Settled(&s, use(100, 19)))
	require.True(t, Settled(&s, use(100, 20)))
	require.True(t, Settled(&s, use(1000, 200)), "calls whose answers do not count are in it too")
	held := use(100, 20)
	held.Slices = []usage.Slice{{Writer: "w"}}
	require.False(t, Settled(&s, held))
	require.True(t, Settled(&report.Summary{}, usage.Account{}), "no language model was asked")
}
