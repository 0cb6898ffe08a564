package agenthost

import (
	"context"
	"errors"
	"fmt"
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

// recover reads what the log holds of shards that had another owner, up to the lease that gave them to this host.
func (r *run) recover(ctx context.Context, s *runlog.State, gained map[int]*shard) error {
	filters := []string{subjects.LogAll(r.id)} // one filter is far cheaper for the broker than several
	if len(gained) <= 8 && len(gained) < s.Shards() {
		filters = []string{subjects.LogCtlAll(r.id)}
		for i := range gained {
			filters = append(filters, subjects.LogAnswer(r.id, i), subjects.LogMessage(r.id, i))
		}
	}
	err := r.readBack(ctx, gained, filters, func(e runlog.Entry) bool { return e.Seq > s.CtlSeq })
	if err != nil {
		return fmt.Errorf("agenthost: run %s: take over %d shards: %w", r.id, len(gained), err)
	}
	return nil
}

var errEnough = errors.New("enough was read")

// readBack takes what the log holds of shards into their memory, until enough says that a record is one too many.
func (r *run) readBack(ctx context.Context, shards map[int]*shard, filters []string, enough func(runlog.Entry) bool) error {
	fold := runlog.NewFold(r.id,
		runlog.WithShards(func(i int) bool { return shards[i] != nil }),
		runlog.WithAccept(func(_ int, a *runlog.Answers, positions []int) { shards[a.Shard].record(a, positions) }))
	err := runlog.Read(ctx, r.svc.js, 0, filters, func(e runlog.Entry) error {
		if enough(e) {
			return errEnough
		}
		if at, err := subjects.ParseLog(e.Subject); err == nil && at.Class == subjects.ClassMessage {
			if sh := shards[at.Shard]; sh != nil {
				sh.replay(e)
			}
			return nil
		}
		h, err := fold.Apply(e)
		if err != nil || h.Kind != subjects.KindOpened {
			return err
		}
		bound, err := r.bind(fold.Round, fold.Opened)
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
