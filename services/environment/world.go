package environment

import (
	"fmt"
	"maps"

	"github.com/myriad-sim/myriad/internal/expression"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// nextWorld computes the state after a round. All expressions see the old state and this round's answers: the update is
// synchronous, so the order of the keys does not matter.
func nextWorld(s *runlog.State, columns []*stats.Column) (runlog.EnvState, error) {
	sc := s.Scenario
	env := expression.Env{
		Vars: sc.Vars, World: s.World, Previous: s.Previous, Round: s.Round, Size: sc.Population.Size,
		Answers: map[string]expression.Column{},
	}
	for i, q := range sc.Turn {
		env.Answers[q.ID] = columns[i]
	}
	out := runlog.EnvState{World: make(map[string]float64, len(sc.World)), Winners: map[string]runlog.Winners{}}
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
