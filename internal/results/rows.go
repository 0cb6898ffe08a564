package results

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/internal/population"
	"github.com/myriad-sim/myriad/internal/population/remote"
	"github.com/myriad-sim/myriad/internal/report"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// ErrNoAgent: the run has no agent of that number.
var ErrNoAgent = errors.New("no such agent")

// Rows are handed over when there are so many, or when their replies take so many bytes.
const (
	batchRows  = 4096
	batchBytes = 1 << 20
)

// Batches reads the accepted answers of the closed rounds of s from the log and calls fn with their rows, thousands at a
// time, by round, agent and question; of a fork those of the rounds it has inherited too. The slice passed to fn is reused; what its rows point to is not. What the run has
// gone on to since s was read is left out, so that rows and Summary(s) belong together.
//
// The log is read twice: a fold verifies the digest of a round and notes which records count, then the records of one
// shard at a time are fetched again. So memory holds the answers of a shard and a few records that were fetched ahead,
// beside what the fold needs: 9 bytes for each agent and question, and the population. Rows of a round come only after its
// digest was verified.
//
// It returns the error of fn as it is, runlog.ErrDigest if the answers are not those the rounds were closed with, or what
// reading the log or the population fails with.
func Batches(ctx context.Context, js jetstream.JetStream, s *runlog.State, fn func([]report.Row) error) error {
	w := writer{state: s, first: 0, end: s.Created.Agents, fn: fn}
	return w.read(ctx, js, runlog.RunSubjects)
}

// Rows is Batches row by row. The Row passed to fn is reused; what it points to is not.
func Rows(ctx context.Context, js jetstream.JetStream, s *runlog.State, fn func(*report.Row) error) error {
	return Batches(ctx, js, s, each(fn))
}

// AgentRows is Rows for a single agent. It reads the answers of its shard only, and so cannot verify digests. It returns
// ErrNoAgent if there is none of that number.
func AgentRows(ctx context.Context, js jetstream.JetStream, s *runlog.State, agent int, fn func(*report.Row) error) error {
	if agent < 0 || agent >= s.Created.Agents {
		return fmt.Errorf("results: %w: %d of %d", ErrNoAgent, agent, s.Created.Agents)
	}
	shard := agent / s.Created.ShardSize
	w := writer{state: s, first: agent, end: agent + 1, fn: each(fn)}
	filters := func(run string) []string { return append(runlog.ControlSubjects(run), subjects.LogAnswer(run, shard)) }
	return w.read(ctx, js, filters, runlog.WithShards(func(i int) bool { return i == shard }))
}

func each(fn func(*report.Row) error) func([]report.Row) error {
	return func(rows []report.Row) error {
		for i := range rows {
			if err := fn(&rows[i]); err != nil {
				return err
			}
		}
		return nil
	}
}

// Count is the number of rows that Batches and Rows give.
func Count(s *runlog.State) int { return len(s.Rounds) * s.Created.Agents * len(s.Scenario.Turn) }

// writer turns the answers of agents first to end (not included) into rows.
type writer struct {
	state      *runlog.State
	first, end int
	fn         func([]report.Row) error
	pop        *population.Population
	values     []values // by question
	batch      []report.Row
	bytes      int // of the replies in batch
}

func (w *writer) read(ctx context.Context, js jetstream.JetStream, filters runlog.Filters, opts ...runlog.Option) error {
	if len(w.state.Rounds) == 0 {
		return nil
	}
	var err error
	if w.pop, err = remote.Load(ctx, js, w.state.Population); err != nil {
		return fmt.Errorf("results: %w", err)
	}
	for _, q := range w.state.Scenario.Turn {
		v, err := newValues(q)
		if err != nil {
			return err
		}
		w.values = append(w.values, v)
	}
	log, err := openRecords(ctx, js)
	if err != nil {
		return err
	}
	// While the rows of a round are written, the next round is folded.
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	rounds, folded := make(chan roundIndex), make(chan error, 1)
	go func() {
		defer close(rounds)
		folded <- indexRounds(ctx, js, w.state, filters, opts, rounds)
	}()
	for r := range rounds {
		if err = w.round(ctx, log, r); err != nil {
			break
		}
	}
	stop()
	ended := <-folded
	if err != nil {
		return err
	}
	return ended
}

// round writes the rows of a round, shard by shard.
func (w *writer) round(ctx context.Context, log records, r roundIndex) error {
	sh := newShard(w, r.round, w.first/w.state.Created.ShardSize)
	err := log.each(ctx, r.entries, func(e entry, a *runlog.Answers) error {
		for sh.number < e.shard {
			if err := sh.flush(); err != nil {
				return err
			}
		}
		return sh.take(e, a)
	})
	if err != nil {
		return err
	}
	for last := (w.end - 1) / w.state.Created.ShardSize; sh.number <= last; {
		if err := sh.flush(); err != nil {
			return err
		}
	}
	return w.hand()
}

// hand hands the rows gathered so far over.
func (w *writer) hand() error {
	if len(w.batch) == 0 {
		return nil
	}
	err := w.fn(w.batch)
	w.batch, w.bytes = w.batch[:0], 0
	return err
}
