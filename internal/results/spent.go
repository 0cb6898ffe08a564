package results

import (
	"math"

	"github.com/myriad-sim/myriad/internal/report"
	"github.com/myriad-sim/myriad/internal/usage"
)

// Spent completes the receipt of a summary with the run's usage account, which covers all calls: those behind answers that
// do not count too, those of open rounds, and interviews. The account follows the log by up to a second, so where the
// answers have used more than it says, they are believed. In a run that is over, what llmproxies still hold of the budget was lost with them and
// counts as spent.
func Spent(sum *report.Summary, a usage.Account) {
	total := a.Total()
	if sum.Finished != nil {
		held := a.Held()
		total = total.Plus(usage.Use{Unreported: held.Tokens, Micros: held.Micros})
	}
	r := &sum.Receipt
	r.Retries, r.Hedges, r.Shared = max(r.Retries, whole(total.Retries)), whole(total.Hedges), max(r.Shared, whole(total.Shared))
	r.TokensIn, r.TokensOut = max(r.TokensIn, whole(total.TokensIn)), max(r.TokensOut, whole(total.TokensOut))
	r.TokensUnreported = whole(total.Unreported)
	if total.Micros > 0 {
		r.Money, r.Currency = report.Decimal(total.Micros), a.Currency
	}
}

// Settled reports whether an account is through with what a summary tells of: llmproxies have counted all calls behind the
// answers and given back what they held.
func Settled(sum *report.Summary, a usage.Account) bool {
	total := a.Total()
	in, out := 0, 0
	for _, r := range sum.Own() {
		in, out = in+r.TokensIn, out+r.TokensOut
	}
	return whole(total.TokensIn) >= in && whole(total.TokensOut) >= out && len(a.Slices) == 0
}

// whole is a count as summaries have it.
func whole(n uint64) int { return int(min(n, math.MaxInt)) } //nolint:gosec // limited
