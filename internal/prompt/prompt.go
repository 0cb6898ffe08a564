package prompt

import (
	"fmt"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/template"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// Round holds the templates of a scenario with everything filled in that does not depend on the agent. It is immutable
// and safe for concurrent use.
type Round struct {
	number  int
	systems []*template.Bound // by block: the system prompt where it differs between agents, else nil
	shared  []string          // by block: the system prompt where it is the same for every agent, else ""
	asks    []*template.Bound // by question
}

// NewRound fills in the shared parts for one round.
func NewRound(s *scenario.Scenario, shared template.Shared) (*Round, error) {
	r := &Round{number: shared.Round}
	for _, b := range s.Blocks {
		if err := r.bindSystem(b, shared); err != nil {
			return nil, fmt.Errorf("agents.%s.system, round %d: %w", b.Name, shared.Round, err)
		}
	}
	for _, q := range s.Turn {
		bound, err := q.Ask.Bind(shared)
		if err != nil {
			return nil, fmt.Errorf("turn %s, round %d: %w", q.ID, shared.Round, err)
		}
		r.asks = append(r.asks, bound)
	}
	return r, nil
}

func (r *Round) bindSystem(b scenario.Block, shared template.Shared) error {
	var own *template.Bound
	var same []byte
	if b.System != nil {
		bound, err := b.System.Bind(shared)
		if err != nil {
			return err
		}
		if own = bound; !bound.PerAgent() {
			own = nil
			if same, err = bound.Append(nil, nil); err != nil {
				return err
			}
		}
	}
	r.systems, r.shared = append(r.systems, own), append(r.shared, string(same))
	return nil
}

// Number is the round's number, from 1.
func (r *Round) Number() int { return r.number }

// SharedSystem is the system prompt of a block if it is the same for all its agents, else "".
func (r *Round) SharedSystem(block int) string { return r.shared[block] }

// Turn is one earlier exchange an agent remembers: the round it was in, the agent as it was then (its last and its
// answers are those of that round), and its replies by question.
type Turn struct {
	Round   *Round
	Agent   template.Agent
	Replies []string
}

// Past is what an agent brings into a conversation.
type Past struct {
	Turns   []Turn        // rounds it remembers, oldest first
	Notes   []llm.Message // what it was told outside its turns, and what it said to that
	Earlier []string      // its replies to the earlier questions of this round
}

// Messages returns what agent a, of the given block, sends for a question: the system prompt only where it is not shared,
// what it remembers, the earlier questions of this round with its replies to them, and the question.
func (r *Round) Messages(s *scenario.Scenario, a template.Agent, block, question int, past Past) ([]llm.Message, error) {
	out, err := r.history(s, a, block, past)
	if err != nil {
		return nil, err
	}
	text, err := r.ask(s, a, question)
	if err != nil {
		return nil, err
	}
	return append(out, llm.Message{Role: llm.RoleUser, Content: text}), nil
}

// Talk returns what agent a sends when somebody outside the round says something to it.
func (r *Round) Talk(s *scenario.Scenario, a template.Agent, block int, past Past, said string) ([]llm.Message, error) {
	out, err := r.history(s, a, block, past)
	if err != nil {
		return nil, err
	}
	return append(out, llm.Message{Role: llm.RoleUser, Content: said}), nil
}

func (r *Round) history(s *scenario.Scenario, a template.Agent, block int, past Past) ([]llm.Message, error) {
	out := make([]llm.Message, 0, 2+2*len(past.Turns)*len(r.asks)+2*len(past.Earlier)+len(past.Notes))
	if own := r.systems[block]; own != nil {
		text, err := own.Append(nil, a)
		if err != nil {
			return nil, fmt.Errorf("agents.%s.system, round %d, agent %d: %w", s.Blocks[block].Name, r.number, a.Number(), err)
		}
		if len(text) > 0 {
			out = append(out, llm.Message{Role: llm.RoleSystem, Content: string(text)})
		}
	}
	for _, t := range past.Turns {
		for q, reply := range t.Replies {
			var text string
			if s.Memory.Question {
				var err error
				if text, err = t.Round.ask(s, t.Agent, q); err != nil {
					return nil, err
				}
			}
			out = exchange(out, s.Memory, text, reply)
		}
	}
	out = append(out, past.Notes...)
	for q, reply := range past.Earlier {
		text, err := r.ask(s, a, q)
		if err != nil {
			return nil, err
		}
		out = exchange(out, scenario.Memory{Question: true, Answer: true}, text, reply)
	}
	return out, nil
}

// exchange appends those sides of an exchange that are kept. A reply that never came is left out: servers refuse messages
// of an assistant that say nothing.
func exchange(out []llm.Message, keep scenario.Memory, asked, reply string) []llm.Message {
	if keep.Question {
		out = append(out, llm.Message{Role: llm.RoleUser, Content: asked})
	}
	if keep.Answer && reply != "" {
		out = append(out, llm.Message{Role: llm.RoleAssistant, Content: reply})
	}
	return out
}

func (r *Round) ask(s *scenario.Scenario, a template.Agent, question int) (string, error) {
	text, err := r.asks[question].Append(nil, a)
	if err != nil {
		return "", fmt.Errorf("turn %s, round %d, agent %d: %w", s.Turn[question].ID, r.number, a.Number(), err)
	}
	return string(text), nil
}
