package usage

import (
	"math"
	"math/bits"
)

const million = 1_000_000

// Amount is something that can be spent: tokens, and money in micros (millionths of the unit of the price table).
type Amount struct {
	Tokens uint64 `json:"tokens,omitempty"`
	Micros uint64 `json:"micros,omitempty"`
}

// Use is what calls have used.
type Use struct {
	Calls      uint64 `json:"calls,omitempty"`   // calls that were answered or given up
	Retries    uint64 `json:"retries,omitempty"` // attempts after the first
	Hedges     uint64 `json:"hedges,omitempty"`  // attempts beside one that was slow
	Shared     uint64 `json:"shared,omitempty"`  // calls that took the answer to an equal call
	TokensIn   uint64 `json:"tokens_in,omitempty"`
	TokensOut  uint64 `json:"tokens_out,omitempty"`
	Unreported uint64 `json:"unreported,omitempty"` // upper bound of the tokens of attempts that ended without a count
	Micros     uint64 `json:"micros,omitempty"`     // what all these tokens cost
}

// Amount is what u counts for against a cap: reported and unreported tokens, and money.
func (u Use) Amount() Amount {
	return Amount{Tokens: add(add(u.TokensIn, u.TokensOut), u.Unreported), Micros: u.Micros}
}

// Plus is the sum of both.
func (u Use) Plus(v Use) Use { return u.with(v, add) }

// less takes away what is contained in u.
func (u Use) less(v Use) Use { return u.with(v, sub) }

func (u Use) with(v Use, do func(a, b uint64) uint64) Use {
	return Use{
		Calls:      do(u.Calls, v.Calls),
		Retries:    do(u.Retries, v.Retries),
		Hedges:     do(u.Hedges, v.Hedges),
		Shared:     do(u.Shared, v.Shared),
		TokensIn:   do(u.TokensIn, v.TokensIn),
		TokensOut:  do(u.TokensOut, v.TokensOut),
		Unreported: do(u.Unreported, v.Unreported),
		Micros:     do(u.Micros, v.Micros),
	}
}

// Upper is the most tokens that a call can be billed for, in and out: the bytes of its prompt, 16 for each message, 64,
// and the most it may answer. A token of a byte-level tokenizer stands for at least one byte, so text never has more
// tokens than bytes; the allowances are for what chat templates put around messages (role names, separators) and around
// the conversation (a default system prompt, the start of the answer). Negative arguments count as 0.
func Upper(promptBytes, messages, maxTokens int) uint64 {
	count := func(n int) uint64 { return uint64(max(n, 0)) } //nolint:gosec // not negative
	return add(add(count(promptBytes), 64), add(16*min(count(messages), math.MaxUint64/16), count(maxTokens)))
}

func (a Amount) plus(b Amount) Amount {
	return Amount{add(a.Tokens, b.Tokens), add(a.Micros, b.Micros)}
}

// minus is never below 0.
func (a Amount) minus(b Amount) Amount {
	return Amount{sub(a.Tokens, b.Tokens), sub(a.Micros, b.Micros)}
}

func (a Amount) max(b Amount) Amount { return Amount{max(a.Tokens, b.Tokens), max(a.Micros, b.Micros)} }

func (a Amount) min(b Amount) Amount { return Amount{min(a.Tokens, b.Tokens), min(a.Micros, b.Micros)} }

func (a Amount) over(n uint64) Amount { return Amount{a.Tokens / n, a.Micros / n} }

// within reports whether a is not more than b in both units.
func (a Amount) within(b Amount) bool { return a.Tokens <= b.Tokens && a.Micros <= b.Micros }

// add stops at the largest number: a sum that is too large must not come out small.
func add(a, b uint64) uint64 {
	sum, carry := bits.Add64(a, b, 0)
	if carry != 0 {
		return math.MaxUint64
	}
	return sum
}

// sub stops at 0.
func sub(a, b uint64) uint64 { return a - min(a, b) }
