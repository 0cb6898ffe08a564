package agenthost

import (
	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/prompt"
	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

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

// remembers makes v the view of an agent and returns what the agent brings into a conversation after its replies to the
// first questions of this round; a negative number of questions stands for as many as it has answered.
func (s *shard) remembers(v *view, agent, questions int) prompt.Past {
	s.mu.Lock()
	defer s.mu.Unlock()
	*v = s.view(agent)
	past := prompt.Past{Turns: v.turns()}
	off := agent - s.first
	for q := 0; q < len(s.now.have) && s.now.have[q][off] && (questions < 0 || q < questions); q++ {
		past.Earlier = append(past.Earlier, s.now.raw[q][off])
	}
	for _, n := range s.told.notes[agent] {
		past.Notes = append(past.Notes, llm.Message{Role: llm.RoleUser, Content: n.said})
		if n.reply != "" {
			past.Notes = append(past.Notes, llm.Message{Role: llm.RoleAssistant, Content: n.reply})
		}
	}
	return past
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
