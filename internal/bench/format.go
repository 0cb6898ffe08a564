package bench

import (
	"math"
	"strconv"
	"strings"
)

// none stands for what was not measured.
const none = "–"

// short prints a number with about three digits that matter.
func short(v float64) string {
	size := math.Abs(v)
	switch {
	case size >= 1000:
		return grouped(int(math.Round(v)))
	case size >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case size >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case size >= 1:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case size >= 0.001 || size == 0:
		return strconv.FormatFloat(v, 'f', 3, 64)
	}
	return strconv.FormatFloat(v, 'g', 2, 64)
}

// grouped separates thousands.
func grouped(n int) string {
	digits, sign := strconv.Itoa(n), ""
	if n < 0 {
		digits, sign = digits[1:], "-"
	}
	var b strings.Builder
	for i, c := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	return sign + b.String()
}

// cell prints a series: the median, and the lowest and highest where they differ.
func (s series) cell(format func(float64) string) string {
	if len(s) == 0 {
		return none
	}
	all := spread(s)
	median, lo, hi := format(all.Median), format(all.Min), format(all.Max)
	if lo == hi {
		return median
	}
	return median + " (" + lo + "–" + hi + ")"
}

// count prints a number that is whole.
func count(v float64) string { return grouped(int(v)) }
