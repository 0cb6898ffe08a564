package conformance

import "time"

// Quick are options with which promises do not take long and nothing is very large.
func Quick(timeout time.Duration) Options {
	return Options{Timeout: timeout, slow: 100 * time.Millisecond, large: 96 << 10}
}
