package engine

// NeverFollow makes engines write each on their own, however often another one was first.
func NeverFollow(e *Engine) { e.follow = 0 }

// Trees is how many trees are in memory.
func Trees(e *Engine) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.trees)
}
