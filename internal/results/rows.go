package results

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/internal/population"
	"github.com/myriad-sim/myriad/internal/population/remote"
	"github.com/myriad-sim/myriad/internal/report"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Rows reads the accepted answers of the closed rounds of a run and calls fn with each, by round, agent and question. The
// rows of one round are in memory at a time. The Row passed to fn is reused. s is the run's state as of now.
func Rows(ctx context.Context, js jetstream.JetStream, s *runlog.State, fn func(*report.Row) error) error {
	if len(s.Rounds) == 0 {
		return nil
	}
	pop, err := remote.Load(ctx, js, s.Population)
	if err != nil {
		return fmt.Errorf("results: %w", err)
	}
	w := writer{state: s, pop: pop, names: Personas(s.Scenario), fn: fn}
	var fold *runlog.Fold
	fold = runlog.NewFold(s.Run, runlog.WithAccept(func(_ int, a *runlog.Answers, positions []int) { w.take(a, positions) }))
	return runlog.Read(ctx, js, 0, runlog.RunSubjects(s.Run), func(e runlog.Entry) error {
		h, err := fold.Apply(e)
		switch {
		case err != nil:
			return err
		case h.Kind == subjects.KindOpened:
			w.open()
		case h.Kind == subjects.KindClosed:
			return w.flush(h.Round)
		}
		return nil
	})
}

// AgentRows is Rows for a single agent.
func AgentRows(ctx context.Context, js jetstream.JetStream, s *runlog.State, agent int, fn func(*report.Row) error) error {
	return Rows(ctx, js, s, func(r *report.Row) error {
		if r.Agent != agent {
			return nil
		}
		return fn(r)
	})
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

type writer struct {
	state *runlog.State
	pop   *population.Population
	names []string
	fn    func(*report.Row) error
	cells [][]cell // by question and agent
}

func (w *writer) open() {
	if w.cells == nil {
		for range w.state.Scenario.Turn {
			w.cells = append(w.cells, make([]cell, w.state.Created.Agents))
		}
		return
	}
	for _, c := range w.cells {
		clear(c)
	}
}

func (w *writer) take(a *runlog.Answers, positions []int) {
	for _, at := range positions {
		w.cells[a.Question][a.Agents[at]] = cell{a, at}
	}
}

func (w *writer) flush(round int) error {
	sc := w.state.Scenario
	row := report.Row{Run: w.state.Run, Replicate: 1, Round: round, Personas: make([]string, len(w.names))}
	for agent := range w.state.Created.Agents {
		row.Agent = agent
		row.Block = sc.BlockOf(agent).Name
		for i, name := range w.names {
			row.Personas[i], _ = w.pop.Lookup(agent, name)
		}
		for q := range sc.Turn {
			c := w.cells[q][agent]
			a, at := c.chunk, c.at
			row.Question, row.Status, row.Raw = sc.Turn[q].ID, a.Status[at], a.Text[at]
			row.Value = value(sc.Turn[q].Answer, a.Status[at], a.Values[at], a.Text[at])
			row.Model, row.ServedModel, row.PromptSHA = a.Model[at], a.Served[at], a.PromptSHA[at]
			row.Attempts, row.TokensIn, row.TokensOut = int(a.Calls[at]), int(a.TokensIn[at]), int(a.TokensOut[at])
			if err := w.fn(&row); err != nil {
				return err
			}
		}
	}
	return nil
}

func value(spec scenario.AnswerSpec, status stats.Status, v int64, raw string) report.Value {
	if !status.Valid() {
		return report.Value{}
	}
	switch spec.Type {
	case scenario.TypeNumber:
		return report.Number(v, spec.Decimals)
	case scenario.TypeLikert:
		return report.Number(v, 0)
	case scenario.TypeChoice:
		if v >= 0 && int(v) < len(spec.Choices) {
			return report.Text(spec.Choices[v])
		}
		return report.Value{}
	}
	return report.Text(raw)
}
