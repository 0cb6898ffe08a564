package scenario

import (
	"slices"

	"github.com/myriad-sim/myriad/internal/expression"
)

// BlockOf gives the block of an agent, nil when there is no such agent.
func (s *Scenario) BlockOf(agent int) *Block {
	if agent < 0 || agent >= s.Population.Size {
		return nil
	}
	// The last block that starts at or before the agent; empty blocks start where the next one does.
	i, _ := slices.BinarySearchFunc(s.Blocks, agent, func(b Block, agent int) int {
		if b.First <= agent {
			return -1
		}
		return 1
	})
	return &s.Blocks[i-1]
}

// Model gives the model of a name, nil when there is none.
func (s *Scenario) Model(name string) *Model {
	i := slices.IndexFunc(s.Models, func(m Model) bool { return m.Name == name })
	if i < 0 {
		return nil
	}
	return &s.Models[i]
}

// Scope is what the scenario's templates and expressions may name, for compiling more of them. The maps and slices are
// the scenario's own: read only.
func (s *Scenario) Scope() expression.Scope { return s.scope }

// QuestionIndex gives the position of a question in Turn, -1 when there is none.
func (s *Scenario) QuestionIndex(id string) int {
	return slices.IndexFunc(s.Turn, func(q Question) bool { return q.ID == id })
}

// WorldKeys gives the keys of the world state, in the order they are updated.
func (s *Scenario) WorldKeys() []string {
	keys := make([]string, len(s.World))
	for i, u := range s.World {
		keys[i] = u.Key
	}
	return keys
}
