package runlog

import (
	"fmt"

	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// belongs checks that a record about a question and a shard is on the subject of that shard, where all who read the shard
// find it, and that there is such a question and shard.
func (f *Fold) belongs(question, shard, subject int) error {
	if f.Scenario == nil {
		return fmt.Errorf("%w: before the run was created", ErrDamaged)
	}
	if shard != subject || shard < 0 || shard >= len(f.Grants) || question < 0 || question >= len(f.Scenario.Turn) {
		return fmt.Errorf("%w: question %d of shard %d on the subject of shard %d; the run has %d questions and %d shards",
			ErrDamaged, question, shard, subject, len(f.Scenario.Turn), len(f.Grants))
	}
	return nil
}

func (f *Fold) applyAnswers(h Header, body []byte, e Entry, shard int) error {
	if !f.answers || f.only != nil && !f.only(shard) {
		return nil
	}
	c := &f.chunk
	if err := c.decode(body); err != nil {
		return err
	}
	if err := f.belongs(c.question, c.shard, shard); err != nil {
		return err
	}
	n := len(c.agents)
	if first, end := f.ShardAgents(shard); n > 0 && (c.agents[0] < first || c.agents[n-1] >= end) {
		return fmt.Errorf("%w: agents %d..%d do not belong to shard %d", ErrDamaged, c.agents[0], c.agents[n-1], shard)
	}
	if err := f.plausible(); err != nil {
		return err
	}
	if f.Phase != PhaseOpen || f.skims || h.Round != f.Round || h.Epoch == 0 || h.Epoch != f.Grants[shard].Epoch {
		f.Duplicates += uint64(n) //nolint:gosec // a length
		return nil
	}
	f.take(h.Round, e.Seq)
	return nil
}

// plausible checks that the answers of the chunk are such as the question can have. A record with one that is not is
// damaged as a whole: its writer did not write what it meant to.
func (f *Fold) plausible() error {
	c, spec := &f.chunk, &f.Scenario.Turn[f.chunk.question].Answer
	lo, hi := int64(0), int64(0) // of the types that have no value
	switch spec.Type {
	case scenario.TypeNumber:
		lo, hi = -1<<63, 1<<63-1 // its bounds may depend on the world, and the host has applied them
	case scenario.TypeLikert:
		lo, hi = 1, int64(spec.Points)
	case scenario.TypeChoice:
		hi = int64(len(spec.Choices)) - 1
	}
	for i, v := range c.values {
		s := stats.Status(c.status[i])
		if s == stats.StatusNone || s > stats.Missing {
			return fmt.Errorf("%w: answer of agent %d has status %d", ErrDamaged, c.agents[i], s)
		}
		if s.Valid() && (v < lo || v > hi) || !s.Valid() && v != 0 {
			return fmt.Errorf("%w: answer of agent %d is %s with value %d", ErrDamaged, c.agents[i], s, v)
		}
	}
	for i, agent := range c.shared {
		if int(agent) >= f.Created.Agents {
			return fmt.Errorf("%w: answer of agent %d is that of agent %d, the run has %d agents", ErrDamaged, c.agents[i], agent, f.Created.Agents)
		}
	}
	return nil
}

// take accepts those answers of the chunk that are the first of their agent.
func (f *Fold) take(round int, seq uint64) {
	c := &f.chunk
	col := f.columns[c.question]
	f.positions = f.positions[:0]
	text := c.text
	for i, agent := range c.agents {
		reply := text[:c.lens[i]]
		text = text[c.lens[i]:]
		if col.Status[agent] != stats.StatusNone {
			continue
		}
		col.Status[agent], col.Values[agent] = stats.Status(c.status[i]), c.values[i]
		if f.digest != nil && f.digest.add(c.question, agent, reply) {
			f.count(f.digest.agents(agent / digestBlock))
		}
		f.positions = append(f.positions, i)
		f.totals.Calls += uint64(c.calls[i])
		f.totals.Retries += uint64(c.calls[len(c.agents)+i])
		f.totals.TokensIn += uint64(c.tokens[2*i])
		f.totals.TokensOut += uint64(c.tokens[2*i+1])
		if len(c.shared) > 0 && c.shared[i] >= 0 {
			f.totals.Shared++
		}
	}
	taken := len(f.positions)
	f.Duplicates += uint64(len(c.agents) - taken) //nolint:gosec // not negative
	if taken == 0 {
		return
	}
	f.left -= taken
	f.progress.left[c.shard] -= taken
	f.progress.begun[c.shard] = true
	f.totals.Accepted += uint64(taken) //nolint:gosec // a length
	f.last = seq
	if f.accept != nil {
		f.accept(round, c.answers(), f.positions)
	}
}
