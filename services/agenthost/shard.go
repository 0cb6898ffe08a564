package agenthost

import (
	"slices"
	"sync"

	"github.com/myriad-sim/myriad/internal/prompt"
	"github.com/myriad-sim/myriad/internal/runlog"
)

// shard is the state of a block of consecutive agents that this host owns.
type shard struct {
	run   *run
	index int
	first int
	n     int
	epoch uint64
	kept  int // past rounds in memory; -1: all

	mu     sync.Mutex
	round  int          // of now
	now    *pastRound   // answers of the open round
	rounds []*pastRound // earlier ones, oldest first, and now; replaced, never changed, so views may hold it
	busy   map[int]*mailbox
	inTurn []bool // by offset: the agent's turn is under way
	todo   int    // agents in no turn that have a question to answer
	told   told
}

func newShard(r *run, index, first, n int, epoch uint64) *shard {
	now := &pastRound{}
	return &shard{
		run: r, index: index, first: first, n: n, epoch: epoch, kept: r.keeps(), inTurn: make([]bool, n), busy: map[int]*mailbox{},
		now: now, rounds: []*pastRound{now},
	}
}

// open makes room for the answers of a round and puts those of the last one behind it. Opening the same round again
// forgets its answers.
func (s *shard) open(round int, bound *prompt.Round) {
	s.mu.Lock()
	defer s.mu.Unlock()
	past := s.rounds
	if s.round == 0 || s.round == round {
		past = past[:len(past)-1]
	}
	if s.kept >= 0 && len(past) > s.kept {
		past = past[len(past)-s.kept:]
	}
	s.round, s.now = round, newPastRound(bound, s.run.scenario.Turn, s.n)
	s.rounds = append(slices.Clone(past), s.now)
	s.todo = 0
	for _, turn := range s.inTurn {
		if !turn {
			s.todo++
		}
	}
}

// record takes the answers at positions into the memory of their agents. s.mu is held where others know the shard.
func (s *shard) record(a *runlog.Answers, positions []int) {
	to := &s.now.questions[a.Question]
	for _, at := range positions {
		off := a.Agents[at] - s.first
		to.set(off, a.Status[at], a.Values[at], a.Text[at])
		if !s.inTurn[off] && s.next(off) == len(s.now.questions) { // it was answered before the shard came here
			s.todo--
		}
	}
}

// previous is an agent's valid answer of the round before, if there is one.
func (s *shard) previous(question, agent int) (value int64, reply string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.rounds) < 2 {
		return 0, "", false
	}
	a, off := &s.rounds[len(s.rounds)-2].questions[question], agent-s.first
	if !a.valid(off) {
		return 0, "", false
	}
	return a.values[off], string(a.appendReply(nil, off)), true
}
