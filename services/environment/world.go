package environment

import (
	"fmt"
	"maps"

	"github.com/myriad-sim/myriad/internal/expression"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// column is the answers to a question with the figures that the closed record has of them, so that a mean of a million
// answers is not computed again for every expression that names it.
type column struct {
	*stats.Column
	known stats.Summary
}

func (c column) Count() int { return c.known.Valid }

func (c column) Mean() (float64, bool) { return c.known.Mean, true }

func (c column) MinMax() (lo, hi float64, ok bool) { return c.known.Min, c.known.Max, true }

func (c column) Std() (float64, bool) { return c.known.Std, c.known.Valid > 1 }

func (c column) Median() (float64, bool) { return c.known.Median, true }

// columnsOf returns the answers of the round that was closed last, by question.
func columnsOf(s *runlog.State, columns []*stats.Column) map[string]expression.Column {
	out := make(map[string]expression.Column, len(columns))
	questions := s.Rounds[len(s.Rounds)-1].Closed.Questions
	for i, q := range s.Scenario.Turn {
		out[q.ID] = columns[i]
		for _, told := range questions {
			if told.ID == q.ID && told.Summary.HasNumbers {
				out[q.ID] = column{columns[i], told.Summary}
			}
		}
	}
	return out
}

// nextWorld computes the state after the round that was closed last. All expressions see the old state and this round's
// answers: the update is synchronous, so the order of the keys does not matter.
func nextWorld(s *runlog.State, columns []*stats.Column) (runlog.EnvState, error) {
	sc := s.Scenario
	env := expression.Env{
		Vars: sc.Vars, World: s.World, Previous: s.Previous, Round: s.Round, Size: sc.Population.Size,
		Answers: columnsOf(s, columns),
	}
	out := runlog.EnvState{
		World: make(map[string]float64, len(sc.World)), Winners: map[string]runlog.Winners{}, Counted: s.Rounds[len(s.Rounds)-1].Closed.Counted,
	}
	// a key that no update names keeps its value
	maps.Copy(out.World, s.World)
	for _, u := range sc.World {
		v, err := u.Expr.Number(env)
		if err != nil {
			return out, fmt.Errorf("update.world.%s (%s): %w", u.Key, u.Expr.Source(), err)
		}
		out.World[u.Key] = v
	}
	if sc.Report.Nearest == nil {
		return out, nil
	}
	env.World, env.Previous = out.World, s.World
	target, err := sc.Report.Nearest.Number(env)
	if err != nil {
		return out, fmt.Errorf("report.winners.nearest (%s): %w", sc.Report.Nearest.Source(), err)
	}
	for i, q := range sc.Turn {
		if q.Answer.Type != scenario.TypeNumber {
			continue
		}
		w := columns[i].Winners(target, sc.Report.Within)
		out.Winners[q.ID] = runlog.Winners{Target: target, Nearest: w.Nearest, Agents: w.Agents, Within: w.Within}
	}
	return out, nil
}
