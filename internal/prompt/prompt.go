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
	attach  []attached        // by question
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
		with, err := attach(q, shared)
		if err != nil {
			return nil, fmt.Errorf("turn %s, round %d: %w", q.ID, shared.Round, err)
		}
		r.asks, r.attach = append(r.asks, bound), append(r.attach, with)
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
