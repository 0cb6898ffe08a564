package stats

import "math/big"

// Column holds the answers to one question of one round, by agent number. Values are canonical integers: value times
// 10^Decimals for number and likert questions, the position of the choice for choice questions, 0 for others and
// wherever the status is not valid. Status and Values have the same length. Methods only read; they are safe for
// concurrent use while nobody writes.
type Column struct {
	Decimals int // 0 to MaxDecimals
	Status   []Status
	Values   []int64
}

// Summary says how many answers there are of each kind and what the valid ones look like. The figures are 0 and
// HasNumbers is false if there is no valid answer or none was asked for (Counts).
type Summary struct {
	Answers    int      `json:"answers" msgpack:"answers"` // settled: everything but StatusNone
	Valid      int      `json:"valid" msgpack:"valid"`     // of them, those with a value
	Extracted  int      `json:"extracted" msgpack:"extracted"`
	Repaired   int      `json:"repaired" msgpack:"repaired"`
	Refused    int      `json:"refused" msgpack:"refused"`
	Fallback   int      `json:"fallback" msgpack:"fallback"`
	Missing    int      `json:"missing" msgpack:"missing"`
	HasNumbers bool     `json:"has_numbers" msgpack:"has_numbers"`
	Mean       float64  `json:"mean" msgpack:"mean"`
	Min        float64  `json:"min" msgpack:"min"`
	Max        float64  `json:"max" msgpack:"max"`
	Std        float64  `json:"std" msgpack:"std"` // divisor n-1; 0 with fewer than two valid answers
	Median     float64  `json:"median" msgpack:"median"`
	Mode       *float64 `json:"mode" msgpack:"mode"` // at two decimals, ties lowest; nil if nothing repeats
}

// Counts returns the counts by status, without figures: what can be said of choices and texts.
func (c *Column) Counts() Summary {
	var by [Missing + 1]int
	countStatus(&by, c.Status)
	return counted(&by)
}

// countStatus counts answers by status.
func countStatus(by *[Missing + 1]int, status []Status) {
	for _, s := range status {
		if s <= Missing {
			by[s]++
		}
	}
}

func counted(by *[Missing + 1]int) Summary {
	answers := 0
	for s := Answered; s <= Missing; s++ {
		answers += by[s]
	}
	return Summary{
		Answers: answers, Valid: by[Answered] + by[Extracted] + by[Repaired] + by[Fallback],
		Extracted: by[Extracted], Repaired: by[Repaired], Refused: by[Refused], Fallback: by[Fallback], Missing: by[Missing],
	}
}

// Summarise returns counts and figures. A million answers take some ten milliseconds, and no memory to speak of unless they
// are spread so far that they have to be sorted.
func (c *Column) Summarise() Summary {
	r := Running{decimals: c.Decimals}
	r.Add(c.Status, c.Values)
	return r.Summary(c)
}

func (c *Column) moments() moments { return momentsOf(c.Status, c.Values) }

// Mean returns the exact mean of the valid answers, rounded once; false if there is none.
func (c *Column) Mean() (float64, bool) {
	m := c.moments()
	if m.n == 0 {
		return 0, false
	}
	return m.mean(c.Decimals), true
}

// Sum returns the exact sum of the valid answers, rounded once; false if there is none.
func (c *Column) Sum() (float64, bool) {
	m := c.moments()
	return quotient(m.sum(), 1, c.Decimals), m.n > 0
}

// Count returns the number of valid answers.
func (c *Column) Count() int {
	n := 0
	for _, s := range c.Status {
		if s.Valid() {
			n++
		}
	}
	return n
}

// MinMax returns the smallest and greatest valid answer; false if there is none.
func (c *Column) MinMax() (lo, hi float64, ok bool) {
	m := c.moments()
	return Float(m.smallest, c.Decimals), Float(m.greatest, c.Decimals), m.n > 0
}

// Std returns the sample standard deviation (divisor n-1); false with fewer than two valid answers.
func (c *Column) Std() (float64, bool) {
	m := c.moments()
	if m.n < 2 {
		return 0, false
	}
	return m.std(c.Decimals), true
}

// Median returns the middle valid answer, or the mean of the middle two; false if there is none.
func (c *Column) Median() (float64, bool) {
	sorted := c.sorted()
	if len(sorted) == 0 {
		return 0, false
	}
	return median(sorted, c.Decimals), true
}

// Quantile returns the p-quantile of the valid answers, interpolated linearly between neighbours so that p = 0.5 is the
// median; false if there is none or p is outside [0, 1].
func (c *Column) Quantile(p float64) (float64, bool) {
	if !(p >= 0 && p <= 1) {
		return 0, false
	}
	sorted := c.sorted()
	if len(sorted) == 0 {
		return 0, false
	}
	return quantile(sorted, p, c.Decimals), true
}

// Share returns the part of the valid answers whose canonical value is index: the share of a choice by its position;
// false if there is no valid answer.
func (c *Column) Share(index int) (float64, bool) {
	n, hits := 0, 0
	for i, s := range c.Status {
		if !s.Valid() {
			continue
		}
		n++
		if c.Values[i] == int64(index) {
			hits++
		}
	}
	if n == 0 {
		return 0, false
	}
	return quotient(big.NewInt(int64(hits)), int64(n), 0), true
}
