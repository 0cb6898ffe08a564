package report

import (
	"math"
	"strconv"
	"strings"

	"github.com/myriad-sim/myriad/internal/stats"
)

// none stands for a figure that does not exist.
const none = "-"

// digitsFor returns how many decimals tell figures apart that spread over a range: 0..100 gets two.
func digitsFor(spread float64) int {
	if !(spread > 0) {
		return 2
	}
	magnitude := int(math.Floor(math.Log10(spread)))
	if magnitude >= 0 {
		return max(0, min(2, 4-magnitude))
	}
	return min(2-magnitude, stats.MaxDecimals)
}

// fixed prints v with exactly so many decimals and thousands separated; none for nil.
func fixed(v *float64, digits int) string {
	if v == nil {
		return none
	}
	return number(*v, digits)
}

func number(v float64, digits int) string {
	if size := math.Abs(v); size >= 1e15 {
		return strconv.FormatFloat(v, 'g', 4, 64)
	}
	s := strconv.FormatFloat(v, 'f', digits, 64)
	if strings.Trim(s, "-0.") == "" {
		s = strings.TrimPrefix(s, "-") // no minus zero
	}
	return group(s)
}

// short prints v with at most so many decimals and none that say nothing.
func short(v float64, digits int) string {
	s := number(v, digits)
	if strings.Contains(s, ".") && !strings.Contains(s, "e") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

func count(n int) string { return group(strconv.Itoa(n)) }

func countOf(n *int) string {
	if n == nil {
		return none
	}
	return count(*n)
}

// group separates the thousands of a plain decimal with commas, from five digits on: years and small counts read better
// without.
func group(s string) string {
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	whole, fraction, _ := strings.Cut(s, ".")
	if len(whole) < 5 {
		return sign + s
	}
	var b strings.Builder
	b.WriteString(sign)
	for i, c := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	if fraction != "" {
		b.WriteString("." + fraction)
	}
	return b.String()
}

// seconds prints a duration with about three digits that matter.
func seconds(s float64) string {
	switch {
	case s >= 100:
		return number(s, 0)
	case s >= 10:
		return number(s, 1)
	case s >= 1 || s == 0:
		return number(s, 2)
	}
	return number(s, 3)
}

// percent prints part of whole; none of nothing.
func percent(part, whole int) string {
	if whole == 0 {
		return none
	}
	share := 100 * float64(part) / float64(whole)
	if part != whole && share >= 99.95 {
		share = 99.9 // all but a few is not all
	}
	if part > 0 && share < 0.05 {
		return "<0.1%"
	}
	return number(share, 1) + "%"
}

// plural is "1 round", "2 rounds".
func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + one + "s"
}
