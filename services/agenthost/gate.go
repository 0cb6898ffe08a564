package agenthost

import "sync"

// gate bounds something that is in use at once: agents in flight, bytes of requests. Whoever wants more than there is
// waits, so that a slow model or broker slows the asking down and nothing piles up.
type gate struct {
	mu    sync.Mutex
	limit int64
	used  int64
	freed chan struct{} // closed when something was given back; nil while nobody waits
}

func newGate(limit int64) *gate { return &gate{limit: limit} }

// some is how much of most may be taken now: nothing rather than less than least. What is larger than the gate is let
// through when nothing else is in use.
func (g *gate) some(least, most int64) int64 {
	if g.used <= 0 {
		return max(least, min(most, g.limit))
	}
	if free := g.limit - g.used; free >= least {
		return min(most, free)
	}
	return 0
}

// try takes from least to most if it need not wait, and returns how much.
func (g *gate) try(least, most int64) int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := g.some(least, most)
	g.used += n
	return n
}

// take waits until it can take from least to most, and returns how much it took: nothing if givenUp came first.
func (g *gate) take(givenUp <-chan struct{}, least, most int64) int64 {
	for {
		g.mu.Lock()
		if n := g.some(least, most); n > 0 {
			g.used += n
			g.mu.Unlock()
			return n
		}
		if g.freed == nil {
			g.freed = make(chan struct{})
		}
		freed := g.freed
		g.mu.Unlock()
		select {
		case <-freed:
		case <-givenUp:
			return 0
		}
	}
}

// force takes n without waiting. It is for those who give back what others wait for: a wait of theirs would never end.
func (g *gate) force(n int64) {
	g.mu.Lock()
	g.used += n
	g.mu.Unlock()
}

// give gives n back.
func (g *gate) give(n int64) {
	g.mu.Lock()
	g.used -= n
	freed := g.freed
	g.freed = nil
	g.mu.Unlock()
	if freed != nil {
		close(freed)
	}
}

// inUse is how much is in use.
func (g *gate) inUse() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.used
}
