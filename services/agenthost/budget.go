package agenthost

import (
	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/runlog"
)

// budgets are the caps in force as the requests of each model carry them. Whoever makes the calls keeps to those of the
// newest request it has seen, so that nobody has to ask the log.
func budgets(s *runlog.State) map[string][]byte {
	if s.Caps == nil {
		return nil
	}
	out := map[string][]byte{}
	for i := range s.Scenario.Models {
		name := s.Scenario.Models[i].Name
		of := s.Caps.Models[name]
		out[name] = llm.EncodeBudget(&llm.Budget{
			Seq: s.CapsSeq, Run: llm.Cap{Tokens: s.Caps.Tokens, Micros: s.Caps.Micros}, Model: llm.Cap{Tokens: of.Tokens, Micros: of.Micros},
		})
	}
	return out
}

// budget is that of the model of a block.
func (r *run) budget(block int) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.budgets[r.scenario.Blocks[block].Model]
}
