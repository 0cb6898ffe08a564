package agenthost

import (
	"slices"
	"strconv"
	"sync"

	"github.com/myriad-sim/myriad/internal/prompt"
	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// shard is the state of a block of consecutive agents that this host owns.
type shard struct {
	run   *run
	index int
	first int
	n     int
	epoch uint64

	mu     sync.Mutex
	round  int          // of now
	now    *pastRound   // answers of the open round
	past   []*pastRound // earlier rounds, oldest first; at least the last one once there is one
	rounds []*pastRound // past and now; replaced, never changed, so views may hold it
	busy   map[int]*mailbox
	inTurn []bool // by offset: the agent's turn is under way
	todo   int    // agents in no turn that have a question to answer
	told   told
}

// pastRound is what the agents of a shard answered in one round, by question and offset in the shard.
type pastRound struct {
	round *prompt.Round
	have  [][]bool
	value [][]int64  // canonical
	text  [][]string // the answer as text: a number, a choice, or the reply
	raw   [][]string // the reply; shares memory with text where they are equal
	valid [][]bool
}

func newPastRound(bound *prompt.Round, questions, n int) *pastRound {
	p := &pastRound{round: bound}
	for range questions {
		p.have = append(p.have, make([]bool, n))
		p.valid = append(p.valid, make([]bool, n))
		p.value = append(p.value, make([]int64, n))
		p.text = append(p.text, make([]string, n))
		p.raw = append(p.raw, make([]string, n))
	}
	return p
}

func newShard(r *run, index, first, n int, epoch uint64) *shard {
	return &shard{run: r, index: index, first: first, n: n, epoch: epoch, inTurn: make([]bool, n), busy: map[int]*mailbox{}, now: &pastRound{}, rounds: []*pastRound{{}}}
}

// open makes room for the answers of a round and puts those of the last one behind it. Opening the same round again
// forgets its answers.
func (s *shard) open(round int, bound *prompt.Round) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.round != 0 && s.round != round {
		s.past = append(s.past, s.now)
		if keep := s.run.keeps(); keep >= 0 && len(s.past) > keep {
			s.past = s.past[len(s.past)-keep:]
		}
	}
	s.round, s.now = round, newPastRound(bound, len(s.run.scenario.Turn), s.n)
	s.rounds = append(slices.Clone(s.past), s.now)
	s.todo = 0
	for _, turn := range s.inTurn {
		if !turn {
			s.todo++
		}
	}
}

// record takes an answer into the agent's memory. s.mu is held where others know the shard.
func (s *shard) record(question, agent int, status stats.Status, value int64, raw string) {
	off := agent - s.first
	text := raw
	if status.Valid() {
		text = answerText(&s.run.scenario.Turn[question].Answer, value, raw)
	}
	s.now.have[question][off] = true
	s.now.valid[question][off] = status.Valid()
	s.now.value[question][off] = value
	s.now.text[question][off] = text
	s.now.raw[question][off] = raw
	if !s.inTurn[off] && s.next(off) == len(s.now.have) { // it was answered before the shard came here
		s.todo--
	}
}

// answerText is an answer as an agent's templates see it. It is raw itself where that reads the same, so that memory
// holds one string and not two.
func answerText(spec *scenario.AnswerSpec, value int64, raw string) string {
	var buf [32]byte
	text := buf[:0]
	switch spec.Type {
	case scenario.TypeNumber:
		text = strconv.AppendFloat(text, stats.Float(value, spec.Decimals), 'f', -1, 64)
	case scenario.TypeLikert:
		text = strconv.AppendInt(text, value, 10)
	case scenario.TypeChoice:
		if value >= 0 && int(value) < len(spec.Choices) {
			return spec.Choices[value]
		}
		return raw
	default:
		return raw
	}
	if string(text) == raw {
		return raw
	}
	return string(text)
}

// previous is an agent's valid answer of the round before, if there is one.
func (s *shard) previous(question, agent int) (value int64, reply string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	off := agent - s.first
	if len(s.past) == 0 {
		return 0, "", false
	}
	last := s.past[len(s.past)-1]
	return last.value[question][off], last.raw[question][off], last.valid[question][off]
}
