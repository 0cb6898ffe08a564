package usage

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrWait: nothing can be granted now, but perhaps soon; the wake function that was given is called when trying again
	// is worth it.
	ErrWait = errors.New("waits for a slice of the budget")
	// ErrDamaged: the entry of a run cannot be understood, contradicts itself, or is not what this writer left there.
	// Nothing more is spent for that run.
	ErrDamaged = errors.New("usage entry is damaged")
	// ErrStopped: the book is stopped or was started before.
	ErrStopped = errors.New("usage book is not running")
	// ErrPrices: a price file cannot be used. The message has a line for each problem.
	ErrPrices = errors.New("prices are not usable")
)

// Inside the package: why a step on an entry did not end as hoped. Both are tried again.
var (
	errConflict = errors.New("somebody else wrote first")
	errStale    = errors.New("an older state than known was read")
)

// Unit is what a cap counts.
type Unit string

// The units of caps.
const (
	Tokens Unit = "tokens"
	Money  Unit = "money"
)

// Spent says that a cap cannot give what was asked for, and that nothing is in flight that would change this. The amounts
// are in tokens, or in micros for Money.
type Spent struct {
	Run    string
	Model  string // of the call
	Scoped bool   // the cap is that of the model, not of the whole run
	Unit   Unit
	Cap    uint64 // what may be spent
	Left   uint64 // what could still be granted; a smaller call may fit
	Need   uint64 // what was asked for
}

// Error says which cap it is and how much is left.
func (e *Spent) Error() string {
	show := func(n uint64) string { return fmt.Sprintf("%d tokens", n) }
	if e.Unit == Money {
		show = func(n uint64) string { return decimal(n) + " in money" }
	}
	of := "run " + e.Run
	if e.Scoped {
		of = "model " + e.Model + " of " + of
	}
	return fmt.Sprintf("%s may spend %s; %s are left, and the next call of model %s may need %s",
		of, show(e.Cap), strings.TrimSuffix(show(e.Left), " in money"), e.Model, strings.TrimSuffix(show(e.Need), " in money"))
}

// decimal writes micros as a decimal number of units, with two decimals or as many more as it needs.
func decimal(micros uint64) string {
	s := fmt.Sprintf("%d.%06d", micros/million, micros%million)
	return s[:len(s)-4] + strings.TrimRight(s[len(s)-4:], "0")
}
