package reading_test

import (
	"strings"
	"testing"
)

func BenchmarkRule(b *testing.B) {
	r := number(b, 0, 100, 6)
	thoughts := strings.Repeat("If most people think one step ahead, the mean falls to 33, and two steps give 22. ", 20)
	for name, reply := range map[string]string{
		"plain":    "33.5",
		"whole":    "42",
		"json":     `{"guess": 33.5}`,
		"sentence": "I choose 33.5.",
		"thoughts": thoughts + "\n\nAnswer: 22",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Rule(reply); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
