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
	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// ErrNoAgent: the run has no agent of that number.
var ErrNoAgent = errors.New("no such agent")

// Rows reads the accepted answers of the closed rounds of s from the log and calls fn with each, by round, agent and
// question. The answers of one round are in memory at a time. The Row passed to fn is reused. What the run has gone on to
// since s was read is left out, so that rows and Summary(s) belong together. It returns the error of fn as it is,
// runlog.ErrDigest if the answers are not those the rounds were closed with, or what reading the log or the population
// fails with.
func Rows(ctx context.Context, js jetstream.JetStream, s *runlog.State, fn func(*report.Row) error) error {
	w := writer{state: s, first: 0, end: s.Created.Agents, fn: fn}
	return w.read(ctx, js, runlog.RunSubjects(s.Run))
}

// AgentRows is Rows for a single agent. It reads the answers of its shard only, and so cannot verify digests. It returns
// ErrNoAgent if there is none of that number.
func AgentRows(ctx context.Context, js jetstream.JetStream, s *runlog.State, agent int, fn func(*report.Row) error) error {
	if agent < 0 || agent >= s.Created.Agents {
		return fmt.Errorf("results: %w: %d of %d", ErrNoAgent, agent, s.Created.Agents)
	}
	shard := agent / s.Created.ShardSize
	w := writer{state: s, first: agent, end: agent + 1, fn: fn}
	return w.read(ctx, js, []string{subjects.LogCtlAll(s.Run), subjects.LogAnswer(s.Run, shard)},
		runlog.WithShards(func(i int) bool { return i == shard }))
}

// Personas are the persona columns of a scenario's rows.
func Personas(s *scenario.Scenario) []string {
	var out []string
	for _, d := range s.Population.Distributions {
		out = append(out, d.Name)
	}
	return out
}

// cell is where the answer of one agent to one question is found.
type cell struct {
	chunk *runlog.Answers
	at    int
}

// writer turns the answers of agents first to end (not included) into rows.
type writer struct {
	state      *runlog.State
	first, end int
	fn         func(*report.Row) error
	pop        *population.Population
	names      []string
	cells      [][]cell // by question and agent, from first on
	values     []values // by question
}

// errRead ends the reading after the last round that is wanted.
var errRead = errors.New("all rounds read")

func (w *writer) read(ctx context.Context, js jetstream.JetStream, filters []string, opts ...runlog.Option) error {
	if len(w.state.Rounds) == 0 {
		return nil
	}
	var err error
	if w.pop, err = remote.Load(ctx, js, w.state.Population); err != nil {
		return fmt.Errorf("results: %w", err)
	}
	w.names = Personas(w.state.Scenario)
	for _, q := range w.state.Scenario.Turn {
		v, err := newValues(q)
		if err != nil {
			return err
		}
		w.cells, w.values = append(w.cells, make([]cell, w.end-w.first)), append(w.values, v)
	}
	fold := runlog.NewFold(w.state.Run, append(opts, runlog.WithAccept(w.take))...)
	err = runlog.Read(ctx, js, 0, filters, func(e runlog.Entry) error {
		h, err := fold.Apply(e)
		switch {
		case err != nil:
			return err
		case h.Kind == subjects.KindOpened:
			w.clear()
		case h.Kind == subjects.KindClosed:
			if err := w.flush(h.Round); err != nil {
				return err
			}
			if h.Round == w.state.Rounds[len(w.state.Rounds)-1].Round {
				return errRead
			}
		}
		return nil
	})
	if err == nil { // the log was purged, or is being
		return fmt.Errorf("results: %w: %q has fewer rounds in the log than before", runlog.ErrNoRun, w.state.Run)
	}
	if errors.Is(err, errRead) {
		return nil
	}
	return err
}

// clear lets go of the answers of the round before, or of an opening that was repeated.
func (w *writer) clear() {
	for _, c := range w.cells {
		clear(c)
	}
}

func (w *writer) take(_ int, a *runlog.Answers, positions []int) {
	for _, at := range positions {
		if agent := a.Agents[at]; agent >= w.first && agent < w.end {
			w.cells[a.Question][agent-w.first] = cell{a, at}
		}
	}
}

func (w *writer) flush(round int) error {
	sc := w.state.Scenario
	row := report.Row{Run: w.state.Run, Replicate: 1, Round: round, Personas: make([]string, len(w.names))}
	for agent := w.first; agent < w.end; agent++ {
		row.Agent = agent
		row.Block = sc.BlockOf(agent).Name
		for i, name := range w.names {
			row.Personas[i], _ = w.pop.Lookup(agent, name)
		}
		for q := range sc.Turn {
			c := w.cells[q][agent-w.first]
			a, at := c.chunk, c.at
			if a == nil { // only where digests are not verified
				return fmt.Errorf("results: %w: round %d has no answer of agent %d to %s", runlog.ErrDigest, round, agent, sc.Turn[q].ID)
			}
			row.Question, row.Status, row.Raw = sc.Turn[q].ID, a.Status[at], a.Text[at]
			row.Value = w.values[q].of(a, at)
			row.Model, row.ServedModel, row.PromptSHA = a.Model[at], a.Served[at], a.PromptSHA[at]
			row.Attempts, row.TokensIn, row.TokensOut = int(a.Calls[at]), int(a.TokensIn[at]), int(a.TokensOut[at])
			if err := w.fn(&row); err != nil {
				return err
			}
		}
	}
	return nil
}
