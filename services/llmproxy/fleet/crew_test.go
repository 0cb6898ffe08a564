package fleet

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// All work is done before wait returns.
func TestCrewDoesAllWork(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c crew
		var done atomic.Int64
		total := 0
		for range rapid.IntRange(1, 20).Draw(t, "waves") {
			n := rapid.IntRange(0, 40).Draw(t, "at a time")
			var wave sync.WaitGroup
			for range n {
				wave.Add(1)
				c.do(func() {
					done.Add(1)
					wave.Done()
				})
			}
			if rapid.Bool().Draw(t, "to the end") {
				wave.Wait()
			}
			total += n
		}
		c.wait()
		require.EqualValues(t, total, done.Load())
		require.Empty(t, c.idle)
	})
}

// A goroutine that has done its work does the next.
func TestCrewUsesItsGoroutinesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c crew
		for range 5 {
			for range 3 {
				c.do(func() {})
			}
			synctest.Wait()
			c.mu.Lock()
			require.Len(t, c.idle, 3)
			c.mu.Unlock()
		}
		c.wait()
	})
}
