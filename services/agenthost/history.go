package agenthost

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// keptRounds is how many past rounds of a shard are in memory at most. Those before are read from the log where somebody
// wants them, so that a host's memory does not grow with the rounds of a run.
const keptRounds = 8

var errForgotten = errors.New("agenthost: the log has lost rounds that agents remember")

// keeps is the number of past rounds a shard keeps. It is one more than agents remember, because the questions of the
// oldest round they remember may quote the answers of the one before.
func (r *run) keeps() int {
	if turns := r.scenario.Memory.Turns; turns >= 0 && turns < keptRounds {
		return turns + 1
	}
	return keptRounds
}

// remembered are the rounds that the prompts of a shard's agents may name, oldest first, the open one last.
func (r *run) remembered(ctx context.Context, s *shard) ([]*pastRound, error) {
	s.mu.Lock()
	rounds, number := s.rounds, s.round
	s.mu.Unlock()
	first := 1
	if turns := r.scenario.Memory.Turns; turns >= 0 {
		first = max(1, number-turns-1)
	}
	return r.reach(ctx, s, rounds, number, first)
}

// everything is all rounds of a shard's agents.
func (r *run) everything(ctx context.Context, s *shard) ([]*pastRound, error) {
	s.mu.Lock()
	rounds, number := s.rounds, s.round
	s.mu.Unlock()
	return r.reach(ctx, s, rounds, number, 1)
}

// forgets reports whether rounds of a shard are in the log only.
func (s *shard) forgets() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.round > len(s.rounds)
}

// reach puts the rounds from first on in front of those in memory, which end with the given one.
func (r *run) reach(ctx context.Context, s *shard, rounds []*pastRound, number, first int) ([]*pastRound, error) {
	oldest := number - len(rounds) + 1
	if first >= oldest {
		return rounds, nil
	}
	old := newShard(r, s.index, s.first, s.n, s.epoch)
	old.kept = -1
	gained := map[int]*shard{s.index: old}
	filters := func(run string) []string {
		return append(runlog.ControlSubjects(run), subjects.LogAnswer(run, s.index))
	}
	read := func(fn func(runlog.Entry) error) error { return runlog.ReadRun(ctx, r.svc.js, r.id, filters, fn) }
	err := r.readBack(nil, gained, read, func(runlog.Entry) bool { return old.round >= oldest })
	if err != nil {
		return nil, fmt.Errorf("agenthost: run %s: rounds %d to %d of shard %d: %w", r.id, first, oldest-1, s.index, err)
	}
	var out []*pastRound
	for _, p := range old.rounds {
		if p.round == nil { // no round was opened, as far as the log says
			continue
		}
		if n := p.round.Number(); n >= first && n < oldest {
			out = append(out, p)
		}
	}
	if len(out) != oldest-first {
		return nil, fmt.Errorf("%w: run %s, rounds %d to %d: %d are there", errForgotten, r.id, first, oldest-1, len(out))
	}
	return slices.Concat(out, rounds), nil
}
