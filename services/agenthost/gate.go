package agenthost

import (
	"context"
	"sync"
)

// gate bounds something that is in use at once: agents in flight, bytes of requests. Whoever wants more than there is
// waits, so that a slow model or broker slows the asking down and nothing piles up.
type gate struct {
	mu    sync.Mutex
	limit int64
	used  int64
	freed chan struct{} // closed when something was given back; nil while nobody waits
}

func newGate(limit int64) *gate { return &gate{limit: limit} }

// fits reports whether n more may be in use. More than the limit at once is let through when nothing else is in use.
func (g *gate) fits(n int64) bool { return g.used+n <= g.limit || g.used <= 0 }

// try takes n if it need not wait.
func (g *gate) try(n int64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.fits(n) {
		return false
	}
	g.used += n
	return true
}

// take waits until n may be in use. The error is that of ctx.
func (g *gate) take(ctx context.Context, n int64) error {
	if !g.takeUnless(ctx.Done(), n) {
		return ctx.Err()
	}
	return nil
}

// takeUnless waits until n may be in use, and reports whether that was before given up.
func (g *gate) takeUnless(givenUp <-chan struct{}, n int64) bool {
	for {
		g.mu.Lock()
		if g.fits(n) {
			g.used += n
			g.mu.Unlock()
			return true
		}
		if g.freed == nil {
			g.freed = make(chan struct{})
		}
		freed := g.freed
		g.mu.Unlock()
		select {
		case <-freed:
		case <-givenUp:
			return false
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
