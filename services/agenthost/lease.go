package agenthost

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/myriad-sim/myriad/internal/population"
	"github.com/myriad-sim/myriad/internal/population/remote"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// lease takes over the shards this host was given and gives up those it has lost. A shard granted again under another
// epoch is both: what was appended under the old one may not have been accepted.
func (r *run) lease(ctx context.Context, s *runlog.State) error {
	gained := map[int]*shard{}
	r.mu.Lock()
	for i, g := range s.Grants {
		mine, have := g.Incarnation == r.svc.beat.Incarnation, r.shards[i]
		if have != nil && (!mine || have.epoch != g.Epoch) {
			delete(r.shards, i)
			r.listeners[i].stop()
			delete(r.listeners, i)
			have = nil
		}
		if mine && have == nil {
			gained[i] = nil
		}
	}
	r.mu.Unlock()
	if len(gained) == 0 {
		return nil
	}
	if err := r.load(ctx, s.Population); err != nil {
		return err
	}
	for i := range gained {
		first, end := s.ShardAgents(i)
		gained[i] = newShard(r, i, first, end-first, s.Grants[i].Epoch)
	}
	if err := r.recover(ctx, s, gained); err != nil {
		return err
	}
	for i, sh := range gained {
		l, err := r.listen(ctx, sh)
		if err != nil {
			return err
		}
		r.set(func() { r.shards[i], r.listeners[i] = sh, l })
	}
	return nil
}

// loadAgain is the pause before a population that could not be had is tried again.
const loadAgain = 500 * time.Millisecond

// load gets the population. A stored one that cannot be used halts the run, and is looked at again: it may be mended.
func (r *run) load(ctx context.Context, hash string) error {
	defer r.set(func() { r.behind = false })
	for r.population == nil {
		p, err := remote.Load(ctx, r.svc.js, hash)
		if err == nil {
			r.population = p
			break
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.logger.Warn("population not loaded, trying again", "error", err)
		if errors.Is(err, remote.ErrNotFound) || errors.Is(err, remote.ErrMismatch) || errors.Is(err, population.ErrDamaged) {
			r.set(func() { r.behind = true })
			r.halt(err.Error())
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(loadAgain):
		}
	}
	return nil
}

// mark keeps a fold that stands behind the round that was just ended, so that who takes over shards later can begin to read
// there. There are as many as a shard keeps rounds.
func (r *run) mark(fold *runlog.Fold) {
	r.marks = append(r.marks, fold.Clone())
	if n := len(r.marks) - keptRounds - 2; n > 0 {
		r.marks = slices.Delete(r.marks, 0, n)
	}
}

// before is the newest mark before a round; nil: there is none, so the log is to be read from the beginning.
func (r *run) before(round int) *runlog.Fold {
	for _, m := range slices.Backward(r.marks) {
		if m.Round < round {
			return m
		}
	}
	return nil
}

// recover reads what the log holds of shards that had another owner, or were played by another run before this one was forked
// off it, up to the lease that gave them to this host: what their agents were told, and their answers in the rounds that are
// kept. Earlier rounds are read where somebody wants them.
func (r *run) recover(ctx context.Context, s *runlog.State, gained map[int]*shard) error {
	few := len(gained) <= 8 && len(gained) < s.Shards()
	read := func(start uint64, filters runlog.Filters) func(func(runlog.Entry) error) error {
		return func(fn func(runlog.Entry) error) error { return runlog.ReadSince(ctx, r.svc.js, s, start, filters, fn) }
	}
	enough := func(e runlog.Entry) bool { return e.Seq > s.CtlSeq }
	err := r.readTold(gained, read(0, func(run string) (filters []string) {
		if !few {
			return []string{subjects.LogMessageAll(run)}
		}
		for i := range gained {
			filters = append(filters, subjects.LogMessage(run, i))
		}
		return filters
	}), enough)
	if err == nil {
		begin, start := r.before(s.Round-r.keeps()), uint64(0)
		if begin != nil {
			start = begin.Seq + 1
		}
		err = r.readBack(begin, gained, read(start, func(run string) []string {
			if !few {
				return runlog.RunSubjects(run) // one filter is far cheaper for the broker than several
			}
			filters := runlog.ControlSubjects(run)
			for i := range gained {
				filters = append(filters, subjects.LogAnswer(run, i))
			}
			return filters
		}), enough)
	}
	if err != nil {
		return fmt.Errorf("agenthost: run %s: take over %d shards: %w", r.id, len(gained), err)
	}
	return nil
}

var errEnough = errors.New("enough was read")

// readTold takes what the agents of shards were told into their memory, until enough says that a record is one too many.
func (r *run) readTold(shards map[int]*shard, read func(func(runlog.Entry) error) error, enough func(runlog.Entry) bool) error {
	err := read(func(e runlog.Entry) error {
		if enough(e) {
			return errEnough
		}
		if at, err := subjects.ParseLog(e.Subject); err == nil && shards[at.Shard] != nil {
			shards[at.Shard].replay(e)
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// readBack takes the answers of shards into their memory, from where a mark stands (nil: from the beginning) until enough says
// that a record is one too many. A closed round of which answers are not there any more is an error: agents would remember
// something else than they did.
func (r *run) readBack(begin *runlog.Fold, shards map[int]*shard, read func(func(runlog.Entry) error) error, enough func(runlog.Entry) bool) error {
	options := []runlog.Option{
		runlog.WithShards(func(i int) bool { return shards[i] != nil }),
		runlog.WithAccept(func(_ int, a *runlog.Answers, positions []int) { shards[a.Shard].record(a, positions) }),
	}
	fold := runlog.NewFold(r.id, options...)
	if begin != nil {
		fold = begin.Clone(options...)
	}
	err := read(func(e runlog.Entry) error {
		if enough(e) {
			return errEnough
		}
		h, err := fold.Apply(e)
		switch {
		case err != nil:
			return err
		case h.Kind == subjects.KindClosed:
			return lost(fold.Round, shards)
		case h.Kind != subjects.KindOpened:
			return nil
		}
		bound, err := r.bind(&fold.State)
		if err != nil {
			r.giveUp(err.Error()) // as when the round was opened
			return nil
		}
		for _, sh := range shards {
			sh.open(fold.Round, bound)
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// lost is an error if the log has not all answers of agents of the shards in a round that is closed.
func lost(round int, shards map[int]*shard) error {
	for _, s := range shards {
		for q := range s.now.questions {
			for off := range s.n {
				if !s.now.questions[q].there(off) {
					return fmt.Errorf("%w: round %d is closed and has no answer of agent %d to question %d", errForgotten, round, s.first+off, q+1)
				}
			}
		}
	}
	return nil
}
