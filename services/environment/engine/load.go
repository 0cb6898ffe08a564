package engine

// Load is how many trees of environments are in memory, and the bytes of calls that wait. It may be called at any time, by
// any goroutine.
func (e *Engine) Load() (trees int, waitingBytes int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.trees), e.waiting.Load()
}
