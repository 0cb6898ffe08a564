package agenthost

import (
	"slices"
	"strconv"
	"sync"

	"github.com/myriad-sim/myriad/internal/llm"
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

	mu       sync.Mutex
	round    int          // of now
	now      *pastRound   // answers of the open round
	past     []*pastRound // earlier rounds, oldest first; at least the last one once there is one
	rounds   []*pastRound // past and now; replaced, never changed, so views may hold it
	busy     map[int]*mailbox
	inTurn   []bool            // by offset: the agent's turn is under way
	notes    map[int][]note    // by agent: what it was told outside its turns
	outcomes map[string][]byte // by request id: the encoded answer
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
		if keep := s.run.remember(); keep >= 0 && len(s.past) > keep {
			s.past = s.past[len(s.past)-keep:]
		}
	}
	s.round, s.now = round, newPastRound(bound, len(s.run.scenario.Turn), s.n)
	s.rounds = append(slices.Clone(s.past), s.now)
}

// record takes an answer into the agent's memory.
func (s *shard) record(question, agent int, status stats.Status, value int64, raw string) {
	off := agent - s.first
	text := raw
	q := s.run.scenario.Turn[question]
	if status.Valid() {
		text = answerText(q.Answer, value, raw)
	}
	if text == raw {
		text = raw // one string in memory, not two
	}
	s.now.have[question][off] = true
	s.now.valid[question][off] = status.Valid()
	s.now.value[question][off] = value
	s.now.text[question][off] = text
	s.now.raw[question][off] = raw
}

// answerText is an answer as an agent's templates see it.
func answerText(spec scenario.AnswerSpec, value int64, raw string) string {
	switch spec.Type {
	case scenario.TypeNumber:
		return strconv.FormatFloat(stats.Float(value, spec.Decimals), 'f', -1, 64)
	case scenario.TypeLikert:
		return strconv.FormatInt(value, 10)
	case scenario.TypeChoice:
		if value >= 0 && int(value) < len(spec.Choices) {
			return spec.Choices[value]
		}
	}
	return raw
}

// claim returns the agents whose next question is q, of those that are not in a turn, in ascending order, and marks
// them as in a turn.
func (s *shard) claim(q int) []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []int
	for off := range s.n {
		if s.inTurn[off] || s.next(off) != q {
			continue
		}
		if m := s.busy[off]; m != nil { // somebody talks to the agent: its turn begins when they are done
			m.turnWaits = true
			continue
		}
		s.inTurn[off] = true
		out = append(out, s.first+off)
	}
	return out
}

// next is the first question an agent has not answered, len(turn) if none.
func (s *shard) next(off int) int {
	for q := range s.now.have {
		if !s.now.have[q][off] {
			return q
		}
	}
	return len(s.now.have)
}

// release ends the turn of agents and lets those who wait to talk to them go on.
func (s *shard) release(agents []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range agents {
		s.inTurn[a-s.first] = false
		if m := s.busy[a-s.first]; m != nil {
			m.wake()
		}
	}
}

// view is one agent as its templates see it in one of the rounds the shard remembers. It may be read without the shard's
// lock while the agent is in a turn or held, because only then is nobody else writing its answers.
type view struct {
	s      *shard
	agent  int
	rounds []*pastRound // oldest first, the present one last
	at     int          // in rounds
}

// view is the agent in the present round. s.mu is held.
func (s *shard) view(agent int) view {
	return view{s: s, agent: agent, rounds: s.rounds, at: len(s.rounds) - 1}
}

// Number is the agent's number in the population, from 0.
func (v view) Number() int { return v.agent }

// Block is the name of the agent's block.
func (v view) Block() string { return v.s.run.scenario.BlockOf(v.agent).Name }

// Persona is an attribute of the agent.
func (v view) Persona(name string) string {
	text, _ := v.s.run.population.Lookup(v.agent, name)
	return text
}

// Last is the agent's answer of the round before.
func (v view) Last(question string) (string, bool) {
	if v.at == 0 {
		return "", false
	}
	return v.answer(v.at-1, question)
}

// Answer is the agent's answer to an earlier question of the same round.
func (v view) Answer(question string) (string, bool) { return v.answer(v.at, question) }

func (v view) answer(at int, question string) (string, bool) {
	q := v.s.run.scenario.QuestionIndex(question)
	p := v.rounds[at]
	off := v.agent - v.s.first
	if q < 0 || len(p.have) == 0 || !p.have[q][off] {
		return "", false
	}
	return p.text[q][off], true
}

// turns are the rounds the agent remembers, oldest first.
func (v view) turns() []prompt.Turn {
	keep := v.s.run.scenario.Memory.Turns
	first := 0
	if keep >= 0 {
		first = max(0, v.at-keep)
	}
	var out []prompt.Turn
	off := v.agent - v.s.first
	for at := first; at < v.at; at++ {
		p := v.rounds[at]
		t := prompt.Turn{Round: p.round, Agent: view{s: v.s, agent: v.agent, rounds: v.rounds, at: at}}
		for q := range p.raw {
			t.Replies = append(t.Replies, p.raw[q][off])
		}
		out = append(out, t)
	}
	return out
}

// remembers is an agent and what it brings into a conversation after its replies to the first questions of this round;
// a negative number of questions stands for as many as it has answered.
func (s *shard) remembers(agent, questions int) (view, prompt.Past) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.view(agent)
	past := prompt.Past{Turns: v.turns()}
	off := agent - s.first
	for q := 0; q < len(s.now.have) && s.now.have[q][off] && (questions < 0 || q < questions); q++ {
		past.Earlier = append(past.Earlier, s.now.raw[q][off])
	}
	for _, n := range s.notes[agent] {
		past.Notes = append(past.Notes, llm.Message{Role: llm.RoleUser, Content: n.Said})
		if n.Reply != "" {
			past.Notes = append(past.Notes, llm.Message{Role: llm.RoleAssistant, Content: n.Reply})
		}
	}
	return v, past
}

// own are the agent's valid number answers of the round before, by question.
func (v view) own() map[string]float64 {
	if v.at == 0 {
		return nil
	}
	p := v.rounds[v.at-1]
	out := map[string]float64{}
	for q, spec := range v.s.run.scenario.Turn {
		if off := v.agent - v.s.first; p.valid[q][off] && spec.Answer.Type != scenario.TypeText && spec.Answer.Type != scenario.TypeJSON {
			out[spec.ID] = stats.Float(p.value[q][off], spec.Answer.Decimals)
		}
	}
	return out
}
