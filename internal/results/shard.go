package results

import (
	"fmt"

	"github.com/myriad-sim/myriad/internal/report"
	"github.com/myriad-sim/myriad/internal/runlog"
)

// cell is where the answer of one agent to one question is found.
type cell struct {
	chunk *runlog.Answers
	at    int
}

// shard gathers the answers of one shard after the other and turns them into rows.
type shard struct {
	*writer
	round  int
	number int
	base   int    // its first agent
	cells  []cell // by agent, from base on, and question
}

func newShard(w *writer, round, number int) *shard {
	s := &shard{writer: w, round: round}
	s.begin(number)
	return s
}

// begin begins with a shard that has no answers yet.
func (s *shard) begin(number int) {
	first, end := s.state.ShardAgents(number)
	need := (end - first) * len(s.values)
	if cap(s.cells) < need {
		s.cells = make([]cell, need)
	}
	s.number, s.base, s.cells = number, first, s.cells[:need]
	clear(s.cells)
}

// take takes the answers of a record that are the first of their agent to their question, which are those the fold took.
func (s *shard) take(e entry, a *runlog.Answers) error {
	taken, asked := 0, len(s.values)
	for i, agent := range a.Agents {
		if c := &s.cells[(agent-s.base)*asked+a.Question]; c.chunk == nil {
			*c = cell{a, i}
			taken++
		}
	}
	if taken != e.taken {
		return fmt.Errorf("results: %w: record %d has %d answers that count, the fold took %d", runlog.ErrDigest, e.seq, taken, e.taken)
	}
	return nil
}

// origin says of a row how its answer was had, where it was not by a call of its own.
func origin(row *report.Row, a *runlog.Answers, at int) {
	if a.Shared != nil {
		row.SharedWith = int(a.Shared[at]) + 1
	}
	if a.Apportioned != nil {
		row.Apportioned = a.Apportioned[at]
	}
	if a.Reasons != nil {
		row.Note = a.Reasons[at]
	}
}

// flush writes the rows of the agents that are wanted, and goes on to the next shard.
func (s *shard) flush() error {
	_, sc := s.state.Of(s.round)
	asked := len(s.values)
	_, end := s.state.ShardAgents(s.number)
	var (
		names    = len(sc.Population.Distributions)
		personas []uint16 // never reused: rows keep it
		block    = sc.BlockOf(max(s.base, s.first))
	)
	for agent := max(s.base, s.first); agent < min(end, s.end); agent++ {
		if agent >= block.First+block.Count {
			block = sc.BlockOf(agent)
		}
		if cap(personas)-len(personas) < names {
			personas = make([]uint16, 0, names*batchRows)
		}
		mine := len(personas)
		for i := range names {
			personas = append(personas, uint16(s.pop.Category(agent, i))) //nolint:gosec // at most population.MaxCategories
		}
		for q := range asked {
			c := s.cells[(agent-s.base)*asked+q]
			if c.chunk == nil { // only where digests are not verified
				return fmt.Errorf("results: %w: round %d has no answer of agent %d to %s", runlog.ErrDigest, s.round, agent, sc.Turn[q].ID)
			}
			a, at := c.chunk, c.at
			s.batch = append(s.batch, report.Row{
				Run: s.state.Run, Replicate: 1, Round: s.round, Agent: agent, Block: block.Name, Question: sc.Turn[q].ID,
				Status: a.Status[at], Value: s.values[q].of(a, at), Raw: a.Text[at], Model: a.Model[at], ServedModel: a.Served[at],
				PromptSHA: a.PromptSHA[at], Attempts: int(a.Calls[at]), TokensIn: int(a.TokensIn[at]), TokensOut: int(a.TokensOut[at]),
				Personas: personas[mine:len(personas):len(personas)],
			})
			origin(&s.batch[len(s.batch)-1], a, at)
			if s.bytes += len(a.Text[at]); len(s.batch) == batchRows || s.bytes >= batchBytes {
				if err := s.hand(); err != nil {
					return err
				}
			}
		}
	}
	if s.number+1 < s.state.Shards() {
		s.begin(s.number + 1)
		return nil
	}
	s.number++
	return nil
}
