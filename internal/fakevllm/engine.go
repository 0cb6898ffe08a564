package fakevllm

import (
	"container/heap"
	"sync"
	"time"
)

// sequence is one conversation on its way through the engine.
type sequence struct {
	blocks []uint64 // the prompt's blocks, for the prefix cache
	prompt int      // tokens
	output int      // tokens
}

// group is the sequences of one request. They start in order and end each in its own time; done closes when the last
// one ended.
type group struct {
	seqs    []sequence
	next    int // the first that did not start
	left    int // how many did not end
	gone    bool
	done    chan struct{}
	started chan firstToken // nil, or room for all sequences: who is streamed wants to know when
}

// firstToken is when the prompt of a sequence was read.
type firstToken struct {
	seq int
	at  time.Time
}

func newGroup(seqs []sequence, streamed bool) *group {
	g := &group{seqs: seqs, left: len(seqs), done: make(chan struct{})}
	if streamed {
		g.started = make(chan firstToken, len(seqs))
	}
	return g
}

// engine is continuous batching without the computing: up to maxSeqs sequences run, as long as the cache has blocks for
// them; the rest wait in order. How long a sequence runs is known when it starts, so all it needs is a heap of ends and
// one timer. What starts when another one ended starts at that moment, not when the timer noticed.
type engine struct {
	prefill, perToken time.Duration
	maxSeqs, total    int // total: blocks of the cache

	mu      sync.Mutex
	running runs
	waiting []*group // groups with sequences that did not start; gone ones are stepped over
	queued  int      // sequences in waiting
	blocks  int      // blocks that running sequences hold
	cache   *prefixCache
	timer   *time.Timer
	count   counters
}

// counters are what the engine did; see Stats.
type counters struct {
	prompt, output, queries, hits, aborted uint64
}

// run is a sequence that runs.
type run struct {
	end    time.Time
	of     *group
	blocks int
}

type runs []run

func (r runs) Len() int           { return len(r) }
func (r runs) Less(i, j int) bool { return r[i].end.Before(r[j].end) }
func (r runs) Swap(i, j int)      { r[i], r[j] = r[j], r[i] }
func (r *runs) Push(x any)        { *r = append(*r, x.(run)) } // start pushes runs
func (r *runs) Pop() any {
	last := len(*r) - 1
	x := (*r)[last]
	(*r)[last] = run{}
	*r = (*r)[:last]
	return x
}

func newEngine(o Options) *engine {
	return &engine{
		prefill: o.Prefill, perToken: o.PerToken, maxSeqs: o.MaxSeqs, total: o.CacheBlocks,
		cache: newPrefixCache(o.CacheBlocks),
	}
}

// submit takes a group in. It returns at once.
func (e *engine) submit(g *group) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if g.left == 0 {
		close(g.done)
		return
	}
	now := time.Now()
	e.advance(now) // nothing starts before it came
	e.waiting = append(e.waiting, g)
	e.queued += len(g.seqs)
	e.advance(now)
}

// abort takes out what is left of a group, as when its client has gone.
func (e *engine) abort(g *group) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if g.left == 0 || g.gone {
		return
	}
	now := time.Now()
	e.advance(now)
	if g.left == 0 {
		return
	}
	g.gone = true
	e.count.aborted += uint64(g.left)
	e.queued -= len(g.seqs) - g.next
	kept := e.running[:0]
	for _, r := range e.running {
		if r.of == g {
			e.blocks -= r.blocks
		} else {
			kept = append(kept, r)
		}
	}
	clear(e.running[len(kept):])
	e.running = kept
	heap.Init(&e.running)
	e.advance(now)
}

// advance brings the engine to now: what ended by then ends, and what had a place from then on starts.
func (e *engine) advance(now time.Time) {
	at := now
	if len(e.running) > 0 && e.running[0].end.Before(now) {
		at = e.running[0].end
	}
	for {
		if len(e.running) > 0 && !e.running[0].end.After(at) {
			r, _ := heap.Pop(&e.running).(run)
			e.blocks -= r.blocks
			e.end(r.of)
			continue
		}
		e.admit(at)
		if len(e.running) == 0 || e.running[0].end.After(now) {
			break
		}
		at = e.running[0].end
	}
	if len(e.running) == 0 {
		return
	}
	if wait := e.running[0].end.Sub(now); e.timer == nil {
		e.timer = time.AfterFunc(wait, e.tick)
	} else {
		e.timer.Reset(wait)
	}
}

func (e *engine) tick() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.advance(time.Now())
}

// admit starts what can start at a moment.
func (e *engine) admit(at time.Time) {
	n := 0
	for n < len(e.waiting) {
		g := e.waiting[n]
		if g.gone || g.next == len(g.seqs) {
			n++
			continue
		}
		if !e.start(g, at) {
			break
		}
	}
	if n > 0 {
		clear(e.waiting[:n])
		e.waiting = e.waiting[n:]
	}
	if len(e.waiting) == 0 {
		e.waiting = nil
	}
}

// start starts the next sequence of a group, if there is room. A sequence that is larger than the cache runs alone.
func (e *engine) start(g *group, at time.Time) bool {
	s := &g.seqs[g.next]
	hits := e.cache.hits(s.blocks, s.prompt)
	need := (s.prompt - hits + s.output + blockTokens - 1) / blockTokens
	if len(e.running) >= e.maxSeqs || (len(e.running) > 0 && e.blocks+need > e.total) {
		return false
	}
	e.cache.use(s.blocks)
	e.count.queries += uint64(s.prompt)
	e.count.hits += uint64(hits)
	e.count.prompt += uint64(s.prompt)
	e.count.output += uint64(s.output)
	first := time.Duration(s.prompt-hits) * e.prefill
	took := first + time.Duration(s.output)*e.perToken
	if g.started != nil {
		g.started <- firstToken{g.next, at.Add(first)}
	}
	g.next++
	e.queued--
	if took == 0 {
		e.end(g)
		return true
	}
	e.blocks += need
	heap.Push(&e.running, run{at.Add(took), g, need})
	return true
}

func (e *engine) end(g *group) {
	if g.left--; g.left == 0 {
		close(g.done)
	}
}

// reset forgets the cache, as a server that starts anew has.
func (e *engine) reset() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cache = newPrefixCache(e.total)
}

// stop stops the timer; sequences that run do not end any more.
func (e *engine) stop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.timer != nil {
		e.timer.Stop()
	}
}
