package fakevllm

import (
	"maps"
	"sync"
	"sync/atomic"
)

// Stats are what a server did since it was made, over all kills.
type Stats struct {
	Requests      uint64 // for answers and embeddings, whatever became of them
	Batches       uint64 // those of them on the batch path
	Refused       uint64 // those of them that were wrong: answered with 400, 404 or 413, without faults
	Asked         uint64 // conversations that the model was given; a conversation with n choices counts once
	Completions   uint64 // choices of whole responses that were written
	InFlight      int    // conversations that were read and not answered, those that hang included
	MaxInFlight   int    // the most there ever were
	Running       int    // sequences that run in the engine
	Waiting       int    // sequences that wait for it
	Stopped       uint64 // answers that came to their end
	Cut           uint64 // answers that met max_tokens
	Aborted       uint64 // sequences whose client went before they ended
	PromptTokens  uint64
	OutputTokens  uint64
	PrefixQueries uint64           // tokens of prompts that were looked up in the prefix cache
	PrefixHits    uint64           // tokens that were there
	CacheUsage    float64          // share of the cache that running sequences hold
	Faults        map[Fault]uint64 // how often each fault was played
}

// tally counts what the handlers do.
type tally struct {
	requests, batches, refused, asked, completions, stopped, cut, calls atomic.Uint64
	inFlight, maxInFlight                                               atomic.Int64

	mu      sync.Mutex
	faults  map[Fault]uint64
	prompts map[string]int // nil: not kept
}

// enter counts conversations in; leave counts them out.
func (t *tally) enter(n int) {
	now := t.inFlight.Add(int64(n))
	for {
		most := t.maxInFlight.Load()
		if now <= most || t.maxInFlight.CompareAndSwap(most, now) {
			return
		}
	}
}

func (t *tally) leave(n int) { t.inFlight.Add(int64(-n)) }

func (t *tally) fault(f Fault) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faults[f]++
}

// remember keeps what was asked.
func (t *tally) remember(r *request) {
	t.asked.Add(uint64(len(r.conversations)))
	if t.prompts == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var text []byte
	for _, c := range r.conversations {
		text = text[:0]
		for i, m := range r.messages[c.from:c.to] {
			if i > 0 {
				text = append(text, '\n')
			}
			text = append(append(append(text, m.role...), ": "...), m.text...)
		}
		t.prompts[string(text)]++
	}
}

// Stats are the figures of this moment.
func (s *Server) Stats() Stats {
	t := &s.tally
	st := Stats{
		Requests: t.requests.Load(), Batches: t.batches.Load(), Refused: t.refused.Load(), Asked: t.asked.Load(),
		Completions: t.completions.Load(), InFlight: int(t.inFlight.Load()), MaxInFlight: int(t.maxInFlight.Load()),
		Stopped: t.stopped.Load(), Cut: t.cut.Load(),
	}
	t.mu.Lock()
	st.Faults = maps.Clone(t.faults)
	t.mu.Unlock()
	e := s.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	st.Running, st.Waiting, st.Aborted = len(e.running), e.queued, e.count.aborted
	st.PromptTokens, st.OutputTokens = e.count.prompt, e.count.output
	st.PrefixQueries, st.PrefixHits = e.count.queries, e.count.hits
	st.CacheUsage = min(1, float64(e.blocks)/float64(e.total))
	return st
}

// Prompts are how often each conversation was asked, by its text: a line "role: content" for each message. It is nil
// unless Options.CountPrompts is set.
func (s *Server) Prompts() map[string]int {
	s.tally.mu.Lock()
	defer s.tally.mu.Unlock()
	return maps.Clone(s.tally.prompts)
}
