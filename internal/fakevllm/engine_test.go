package fakevllm

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// groupOf makes a group of sequences with a prompt of 10 tokens, which no cache block names, and outputs.
func groupOf(outputs ...int) *group {
	seqs := make([]sequence, len(outputs))
	for i, o := range outputs {
		seqs[i] = sequence{prompt: 10, output: o}
	}
	return newGroup(seqs, false)
}

func engineOf(o Options) *engine {
	settled, _ := o.settled()
	return newEngine(settled)
}

// state is what tests look at, all of one moment.
type state struct {
	running, queued, blocks, waiting int
	aborted                          uint64
}

func (e *engine) state() state {
	e.mu.Lock()
	defer e.mu.Unlock()
	return state{len(e.running), e.queued, e.blocks, len(e.waiting), e.count.aborted}
}

func took(g *group, since time.Time) time.Duration {
	<-g.done
	return time.Since(since)
}

func TestTimeIsPrefillAndOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := engineOf(Options{Prefill: time.Millisecond, PerToken: time.Second})
		g := groupOf(3, 7)
		begin := time.Now()
		e.submit(g)
		require.Equal(t, 7*time.Second+10*time.Millisecond, took(g, begin), "a batch ends with its last sequence")
	})
}

func TestOnlySoManyRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := engineOf(Options{PerToken: time.Second, MaxSeqs: 2})
		a, b := groupOf(4, 1, 2, 3), groupOf(1)
		begin := time.Now()
		e.submit(a)
		e.submit(b)
		require.Equal(t, 2, e.state().running)
		require.Equal(t, 3, e.state().queued)
		// 4 runs from 0 to 4; beside it 1 (to 1), 2 (to 3), 3 (from 3 to 6); the last one starts at 4.
		require.Equal(t, 5*time.Second, took(b, begin))
		require.Equal(t, 6*time.Second, took(a, begin))
		require.Equal(t, state{}, e.state())
	})
}

func TestLateTimersLoseNoTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := engineOf(Options{PerToken: time.Second, MaxSeqs: 1})
		g := groupOf(1, 1, 1)
		begin := time.Now()
		e.submit(g)
		e.stop() // as if the timer came very late
		<-time.After(2500 * time.Millisecond)
		late := groupOf(1)
		e.submit(late)
		require.Equal(t, 2, e.state().queued+e.state().running, "what should have ended by now has")
		require.Equal(t, 4*time.Second, took(late, begin))
	})
}

func TestAGoneClientFreesItsPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := engineOf(Options{PerToken: time.Second, MaxSeqs: 2})
		gone, next := groupOf(100, 100, 100), groupOf(1)
		begin := time.Now()
		e.submit(gone)
		e.submit(next)
		require.Equal(t, 2, e.state().queued)
		e.abort(gone)
		e.abort(gone)
		require.Equal(t, time.Second, took(next, begin))
		require.Equal(t, state{aborted: 3}, e.state())
	})
}

func TestTheCacheBoundsWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := engineOf(Options{PerToken: time.Second, CacheBlocks: 4})
		a, b := groupOf(38), groupOf(22) // 48 and 32 tokens: 3 and 2 blocks
		begin := time.Now()
		e.submit(a)
		e.submit(b)
		require.Equal(t, 1, e.state().running)
		require.Equal(t, 60*time.Second, took(b, begin))
		huge := groupOf(1000)
		e.submit(huge)
		require.Equal(t, 1, e.state().running, "what is larger than the cache runs alone")
		<-huge.done
	})
}

func TestEverySequenceEndsOnce(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		sizes := rapid.SliceOfN(rapid.SliceOfN(rapid.IntRange(0, 9), 1, 8), 1, 20).Draw(r, "outputs")
		slots := rapid.IntRange(1, 5).Draw(r, "slots")
		gone := rapid.SliceOfN(rapid.Bool(), len(sizes), len(sizes)).Draw(r, "gone")
		synctest.Test(t, func(t *testing.T) {
			e := engineOf(Options{PerToken: time.Second, MaxSeqs: slots, CacheBlocks: 6})
			var all []*group
			for i, s := range sizes {
				g := groupOf(s...)
				all = append(all, g)
				e.submit(g)
				<-time.After(time.Second)
				require.LessOrEqual(t, e.state().running, slots)
				if gone[i] {
					e.abort(g)
				}
			}
			for i, g := range all {
				if !gone[i] {
					<-g.done
				}
			}
			end := e.state()
			end.aborted = 0
			require.Equal(t, state{}, end)
		})
	})
}

// prompts of blocks are named by numbers here.
func TestPrefixCacheKeepsWhatIsInUse(t *testing.T) {
	c := newPrefixCache(4)
	c.use([]uint64{1, 2, 3})
	require.Equal(t, 48, c.hits([]uint64{1, 2, 3}, 60))
	require.Equal(t, 32, c.hits([]uint64{1, 2, 3}, 48), "the last token is always computed")
	require.Equal(t, 16, c.hits([]uint64{1, 9, 3}, 60), "a prefix ends at the first difference")
	c.use([]uint64{1, 4, 5}) // 3, the end of the older prompt, makes room
	require.Equal(t, 32, c.hits([]uint64{1, 2, 3}, 60))
	require.Equal(t, 48, c.hits([]uint64{1, 4, 5}, 60))
	c.use([]uint64{1, 2})
	c.use([]uint64{6})
	require.Equal(t, 16, c.hits([]uint64{1, 4, 5}[:1], 60))
	require.Equal(t, 32, c.hits([]uint64{1, 2}, 60))
	c.use([]uint64{11, 12, 13, 14, 15, 16})
	require.Len(t, c.at, 4)
	require.Equal(t, 64, c.hits([]uint64{11, 12, 13, 14}, 99))
}

func TestPrefixCacheIsAnLRU(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		limit := rapid.IntRange(1, 6).Draw(r, "limit")
		c := newPrefixCache(limit)
		var order []uint64 // newest first
		for range rapid.IntRange(1, 60).Draw(r, "steps") {
			b := rapid.Uint64Range(1, 9).Draw(r, "block")
			c.use([]uint64{b})
			kept := []uint64{b}
			for _, o := range order {
				if o != b && len(kept) < limit {
					kept = append(kept, o)
				}
			}
			order = kept
			require.Len(r, c.at, len(order))
			for _, o := range order {
				require.Contains(r, c.at, o)
			}
		}
	})
}

func TestSharedPrefixesAreNotComputedAgain(t *testing.T) {
	p := start(t, Options{})
	persona := gameBody(0, 1)
	r := p.post(t, "/chat/completions/batch", string(persona)).completion(t)
	require.Zero(t, p.Stats().PrefixHits)
	p.post(t, "/chat/completions/batch", string(persona)).completion(t)
	st := p.Stats()
	require.Equal(t, uint64(2*r.Usage.Prompt), st.PrefixQueries)
	require.Equal(t, uint64((r.Usage.Prompt-1)/blockTokens*blockTokens), st.PrefixHits)
	p.post(t, "/chat/completions/batch", string(gameBody(1, 1))).completion(t)
	require.Less(t, p.Stats().PrefixHits-st.PrefixHits, uint64(32), "another persona shares almost nothing")
}
