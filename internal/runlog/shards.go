package runlog

// progress is how far the shards are in the open round.
type progress struct {
	left  []int  // answers they still need
	begun []bool // one of their agents was asked
}

// open begins a round.
func (p *progress) open(s *State) {
	if n := s.Shards(); len(p.left) != n {
		p.left, p.begun = make([]int, n), make([]bool, n)
	}
	clear(p.begun)
	for i := range p.left {
		first, end := s.ShardAgents(i)
		p.left[i] = (end - first) * len(s.Scenario.Turn)
	}
}

// asked notes that count agents from first on are asked.
func (p *progress) asked(s *State, first, count int) {
	if len(p.begun) == 0 {
		return // before the first round
	}
	for i := first / s.Created.ShardSize; i <= (first+count-1)/s.Created.ShardSize; i++ {
		p.begun[i] = true
	}
}

// ShardLeft is the number of answers that a shard still needs in the open round. It is 0 while no round is open, and counts
// only in a fold with all answers.
func (f *Fold) ShardLeft(shard int) int {
	if f.Phase != PhaseOpen || shard >= len(f.progress.left) {
		return 0
	}
	return f.progress.left[shard]
}

// ShardBegun reports whether anything was asked of a shard's agents, or answered by them, in the open round. Like ShardLeft
// it counts only in a fold with all answers.
func (f *Fold) ShardBegun(shard int) bool {
	return f.Phase == PhaseOpen && shard < len(f.progress.begun) && f.progress.begun[shard]
}
