package agenthost

import (
	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/prompt"
	"github.com/myriad-sim/myriad/internal/stats"
)

// view is one agent as its templates see it in one of the rounds it remembers. The agent is in a turn or held, so nobody
// writes its answers meanwhile; those of its neighbours may be, so the open round is read under the shard's lock.
type view struct {
	s      *shard
	agent  int
	rounds []*pastRound // oldest first
	at     int          // in rounds
}

// Number is the agent's number in the population, from 0.
func (v *view) Number() int { return v.agent }

// Block is the name of the agent's block.
func (v *view) Block() string { return v.s.run.scenario.BlockOf(v.agent).Name }

// AppendPersona appends an attribute of the agent.
func (v *view) AppendPersona(dst []byte, name string) []byte {
	dst, _ = v.s.run.population.AppendLookup(dst, v.agent, name)
	return dst
}

// AppendLast appends the agent's answer of the round before.
func (v *view) AppendLast(dst []byte, question string) []byte {
	return v.appendAnswer(dst, v.at-1, question)
}

// AppendAnswer appends the agent's answer to an earlier question of the same round.
func (v *view) AppendAnswer(dst []byte, question string) []byte {
	return v.appendAnswer(dst, v.at, question)
}

func (v *view) appendAnswer(dst []byte, at int, question string) []byte {
	q := v.s.run.scenario.QuestionIndex(question)
	if at < 0 || q < 0 || q >= len(v.rounds[at].questions) {
		return dst
	}
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	a, off := &v.rounds[at].questions[q], v.agent-v.s.first
	if !a.there(off) {
		return dst
	}
	return a.appendText(dst, off)
}

// turns are the rounds the agent remembers, oldest first.
func (v *view) turns() []prompt.Turn {
	keep := v.s.run.scenario.Memory.Turns
	if keep == 0 {
		return nil
	}
	first := 0
	if keep > 0 {
		first = max(0, v.at-keep)
	}
	var out []prompt.Turn
	off := v.agent - v.s.first
	for at := first; at < v.at; at++ {
		p := v.rounds[at]
		t := prompt.Turn{Round: p.round, Agent: &view{s: v.s, agent: v.agent, rounds: v.rounds, at: at}}
		for q := range p.questions {
			t.Replies = append(t.Replies, string(p.questions[q].appendReply(nil, off)))
		}
		out = append(out, t)
	}
	return out
}

// remembers makes v the view of an agent in the last of the given rounds, which is open, and returns what the agent brings
// into a conversation after its replies to the first questions of that round; a negative number of questions stands for as
// many as it has answered.
func (s *shard) remembers(v *view, rounds []*pastRound, agent, questions int) prompt.Past {
	*v = view{s: s, agent: agent, rounds: rounds, at: len(rounds) - 1}
	past := prompt.Past{Turns: v.turns()}
	off, now := agent-s.first, rounds[len(rounds)-1].questions
	s.mu.Lock()
	defer s.mu.Unlock()
	for q := 0; q < len(now) && now[q].there(off) && (questions < 0 || q < questions); q++ {
		past.Earlier = append(past.Earlier, string(now[q].appendReply(nil, off)))
	}
	for _, n := range s.told.notes[agent] {
		past.Notes = append(past.Notes, llm.Message{Role: llm.RoleUser, Content: n.said})
		if n.reply != "" {
			past.Notes = append(past.Notes, llm.Message{Role: llm.RoleAssistant, Content: n.reply})
		}
	}
	return past
}

// innocent reports whether agents bring nothing into the first question of a round: they remember no rounds, and nobody
// has told them anything.
func (s *shard) innocent() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.run.scenario.Memory.Turns == 0 && len(s.told.notes) == 0
}

// own are the agent's valid number answers of the round before, by question.
func (v *view) own() map[string]float64 {
	if v.at == 0 {
		return nil
	}
	p := v.rounds[v.at-1]
	out := map[string]float64{}
	for q, spec := range v.s.run.scenario.Turn {
		if off := v.agent - v.s.first; p.questions[q].valid(off) && !spec.Answer.Textual() {
			out[spec.ID] = stats.Float(p.questions[q].values[off], spec.Answer.Decimals)
		}
	}
	return out
}
