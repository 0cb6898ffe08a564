package hubs

// Load is how many hubs are in memory, and the bytes of requests that wait for them. It may be called at any time, by any
// goroutine.
func (s *Server) Load() (open, waitingBytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.hubs), s.waiting
}
