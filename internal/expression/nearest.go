package expression

import (
	"slices"
	"strings"
	"unicode/utf8"
)

const maxNearestLen = 64 // bytes; longer names are not compared: the cost grows with the square

// Nearest returns the candidate closest to name by edit distance, or "" if none is close enough to be a likely slip.
// Ties go to the one closest in length, then to the first in sorted order.
func Nearest(name string, candidates []string) string {
	if len(name) > maxNearestLen {
		return ""
	}
	best, bestDistance := "", max(1, utf8.RuneCountInString(name)/3)+1
	for _, c := range slices.Sorted(slices.Values(candidates)) {
		if len(c) > maxNearestLen || c == name {
			continue
		}
		d := distance([]rune(strings.ToLower(name)), []rune(strings.ToLower(c)))
		closer := d == bestDistance && best != "" && lengthGap(name, c) < lengthGap(name, best)
		if d < bestDistance || closer {
			best, bestDistance = c, d
		}
	}
	return best
}

func lengthGap(a, b string) int { return max(len(a)-len(b), len(b)-len(a)) }

// distance counts the insertions, deletions, replacements and swaps of neighbours that turn a into b.
func distance(a, b []rune) int {
	before, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
		}
		before, prev, cur = prev, cur, before
	}
	return prev[len(b)]
}
