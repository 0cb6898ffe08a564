package agenthost

import "slices"

// An agent does one thing at a time: a turn, or one message of those who talk to it. Who comes while it is busy queues in
// its mailbox; there is one only while somebody needs it.
type mailbox struct {
	held      bool            // the first of those who came is with the agent
	queue     []chan struct{} // those behind; closing one lets it in
	turnWaits bool            // the round waits for the agent, and goes before the queue
}

// next lets the next in the queue in, if nobody is with the agent.
func (m *mailbox) next() {
	if !m.held && len(m.queue) > 0 {
		m.held = true
		close(m.queue[0])
		m.queue = m.queue[1:]
	}
}

// enter takes a place in the queue of an agent. The channel is closed when it is the caller's turn. The caller must
// leave, whether it came to that or not.
func (s *shard) enter(off int) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.busy[off]
	if m == nil {
		m = &mailbox{}
		s.busy[off] = m
	}
	ticket := make(chan struct{})
	m.queue = append(m.queue, ticket)
	if !s.inTurn[off] && !m.turnWaits {
		m.next()
	}
	return ticket
}

// leave gives a place up and lets the next one in.
func (s *shard) leave(off int, ticket chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.busy[off]
	if i := slices.Index(m.queue, ticket); i >= 0 {
		m.queue = slices.Delete(m.queue, i, i+1)
	} else {
		m.held = false
		if m.turnWaits {
			s.run.wake() // the dispatcher takes the agent, or admits the queue
		} else {
			m.next()
		}
	}
	s.tidy(off, m)
}

// tidy removes a mailbox that nobody needs. s.mu is held.
func (s *shard) tidy(off int, m *mailbox) {
	if !m.held && len(m.queue) == 0 {
		delete(s.busy, off)
	}
}

// admit lets visitors in for whom the round should have gone first and did not, because nobody is asked now.
func (s *shard) admit() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for off, m := range s.busy {
		if !s.inTurn[off] && !m.held {
			m.turnWaits = false
			m.next()
			s.tidy(off, m)
		}
	}
}

// claim returns the agents from first on, up to and without end, whose next question is q, of those that are not in a turn,
// in ascending order, and marks them as in a turn.
func (s *shard) claim(q, first, end int) []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.todo == 0 {
		return nil
	}
	first, end = max(first, s.first), min(end, s.first+s.n)
	out := make([]int, 0, min(s.todo, max(0, end-first)))
	for off := first - s.first; off < end-s.first; off++ {
		if s.inTurn[off] || s.next(off) != q {
			continue
		}
		if len(s.busy) > 0 {
			if m := s.busy[off]; m != nil {
				if m.turnWaits = m.held; m.held { // its turn begins when whoever talks to it is done
					continue
				}
			}
		}
		s.inTurn[off] = true
		out = append(out, s.first+off)
	}
	s.todo -= len(out)
	return out
}

// release ends the turn of agents and lets those who wait to talk to them go on. It reports whether one of them still
// has a question to answer.
func (s *shard) release(agents []int) (unfinished bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range agents {
		off := a - s.first
		s.inTurn[off] = false
		if s.next(off) < len(s.now.questions) {
			s.todo++
			unfinished = true
		}
		if len(s.busy) > 0 {
			if m := s.busy[off]; m != nil {
				m.next()
			}
		}
	}
	return unfinished
}

// next is the first question an agent has not answered, the number of questions if there is none. s.mu is held.
func (s *shard) next(off int) int {
	for q := range s.now.questions {
		if !s.now.questions[q].there(off) {
			return q
		}
	}
	return len(s.now.questions)
}
