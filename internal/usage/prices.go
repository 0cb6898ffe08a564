package usage

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
	"strings"
	"unicode/utf8"
)

// Prices says what tokens of models cost. The zero value has no price for anything.
type Prices struct {
	Currency string // such as USD
	patterns []priced
}

// priced is the price of the models that a pattern fits.
type priced struct {
	pattern string
	price   Price
}

// Price is what a million tokens cost, in micros (millionths of the unit of the currency).
type Price struct {
	In, Out uint64
}

// Of is the price of a model by the name its server knows: that of the longest pattern that fits, and of patterns of one
// length the first in the order of bytes. A * stands for any text; a name without one fits itself and comes before all
// patterns.
func (p Prices) Of(model string) (Price, bool) {
	for _, c := range p.patterns {
		if fits(c.pattern, model) {
			return c.price, true
		}
	}
	return Price{}, false
}

// order puts the patterns in the order in which they are tried.
func (p *Prices) order() {
	slices.SortFunc(p.patterns, func(a, b priced) int {
		star := func(s string) int { return min(strings.Count(s, "*"), 1) }
		return cmp.Or(
			cmp.Compare(star(a.pattern), star(b.pattern)),
			cmp.Compare(utf8.RuneCountInString(b.pattern), utf8.RuneCountInString(a.pattern)),
			cmp.Compare(a.pattern, b.pattern))
	})
}

// fits reports whether a pattern stands for the name.
func fits(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	first, last := parts[0], parts[len(parts)-1]
	if len(parts) == 1 {
		return pattern == name
	}
	if !strings.HasPrefix(name, first) {
		return false
	}
	name = name[len(first):]
	for _, part := range parts[1 : len(parts)-1] {
		_, rest, found := strings.Cut(name, part)
		if !found {
			return false
		}
		name = rest
	}
	return strings.HasSuffix(name, last)
}

// Cost is what that many tokens cost, in micros: rounded up, so that what was reserved is never less than what is due. A
// cost too large for the type is the largest there is.
func (p Price) Cost(in, out uint64) uint64 {
	high, low := bits.Mul64(in, p.In)
	high2, low2 := bits.Mul64(out, p.Out)
	low, carry := bits.Add64(low, low2, 0)
	high, over := bits.Add64(high, high2, carry)
	low, carry = bits.Add64(low, million-1, 0)
	high, over2 := bits.Add64(high, 0, carry)
	if over+over2 > 0 || high >= million {
		return math.MaxUint64
	}
	cost, _ := bits.Div64(high, low, million)
	return cost
}
