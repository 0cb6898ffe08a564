package llmproxy

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Whatever comes and goes, the account is the sum of what is open, and within the bounds unless one request is alone.
func TestTheRollKeepsItsBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := &roll{maxCalls: 100, maxBytes: 1000}
		var open []*exchange
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			if len(open) == 0 || rapid.Bool().Draw(t, "comes") {
				calls, bytes := rapid.IntRange(0, 150).Draw(t, "calls"), rapid.IntRange(1, 1500).Draw(t, "bytes")
				fits := len(open) == 0 || r.calls+int64(calls) <= 100 && r.bytes+int64(bytes) <= 1000
				x := new(exchange)
				require.Equal(t, fits, r.add(x, calls, bytes))
				if fits {
					open = append(open, x)
				}
			}
			if len(open) > 0 {
				i := rapid.IntRange(0, len(open)-1).Draw(t, "which")
				x := open[i]
				switch rapid.SampledFrom([]string{"holds", "sent", "drop", "nothing"}).Draw(t, "what") {
				case "holds":
					r.holds(x, rapid.IntRange(0, int(x.entry.bytes)).Draw(t, "held"))
				case "sent":
					r.sent(x, rapid.IntRange(0, int(x.entry.calls)).Draw(t, "answered"))
				case "drop":
					r.drop(x)
					r.drop(x) // twice is once
					open = append(open[:i], open[i+1:]...)
				}
			}
			var calls, bytes int64
			for _, x := range open {
				calls += x.entry.calls
				bytes += x.entry.bytes
			}
			require.Equal(t, []int64{calls, bytes}, []int64{r.calls, r.bytes})
			require.True(t, len(open) == 1 || r.calls <= 100 && r.bytes <= 1000)
			require.ElementsMatch(t, open, r.open())
		}
		r.close()
		require.False(t, r.add(new(exchange), 0, 0), "a closed roll takes nobody")
	})
}

// A request is due a second after its requester last heard of it, and nothing is done for it before.
func TestASignOfLifeIsDueAfterSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &roll{maxCalls: 100, maxBytes: 1000}
		wait := func(d time.Duration) { <-time.After(d) }
		check := func(want []*exchange, rest time.Duration) {
			t.Helper()
			due, next := r.silent(time.Second)
			require.Equal(t, want, due)
			require.Equal(t, rest, next)
		}
		a, b, c := &exchange{id: 1}, &exchange{id: 2}, &exchange{id: 3}
		check(nil, time.Second)
		require.True(t, r.add(a, 2, 1))
		wait(400 * time.Millisecond)
		require.True(t, r.add(b, 2, 1))
		check(nil, 600*time.Millisecond)
		wait(600 * time.Millisecond)
		check([]*exchange{a}, 400*time.Millisecond)
		r.sent(b, 1) // at 1.0: due at 2.0, with a
		wait(500 * time.Millisecond)
		require.True(t, r.add(c, 1, 1))
		r.drop(c)
		check(nil, 500*time.Millisecond)
		wait(500 * time.Millisecond)
		check([]*exchange{a, b}, time.Second)
		r.drop(a)
		r.drop(b)
		wait(2 * time.Second)
		check(nil, time.Second)
	})
}
