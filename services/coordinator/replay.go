package coordinator

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// replay starts a run that plays another one again: its scenario with its overrides, where every model says what was said
// then.
func (s *Service) replay(ctx context.Context, in control.Again) (control.Info, error) {
	st, err := s.read(ctx, in.Run)
	if err != nil {
		return control.Info{}, err
	}
	if len(st.Rounds) == 0 {
		return control.Info{}, &control.Problem{Code: codeInvalid, Detail: fmt.Sprintf("run %s has no closed round, so there is nothing to replay", in.Run)}
	}
	size := in.ShardSize
	if size == 0 {
		size = st.Created.ShardSize
	}
	return s.submit(ctx, control.Submission{
		File: st.Created.File, Source: string(st.Created.Source), Overrides: again(st, in.Overrides), ShardSize: size,
	})
}

// again are the overrides of a replay: those of the run, but that its models are replayed, and those asked for on top. A run
// that has not finished is replayed as far as it came.
func again(st *runlog.State, more scenario.Overrides) scenario.Overrides {
	o := st.Created.Overrides
	o.Models, o.Set = map[string]string{}, map[string]string{}
	for _, m := range st.Scenario.Models {
		o.Models[m.Name] = "replay:" + st.Run
	}
	for path, value := range st.Created.Overrides.Set {
		if !strings.HasPrefix(path, "models.") { // of models that are not asked
			o.Set[path] = value
		}
	}
	if st.Phase != runlog.PhaseFinished {
		o.Rounds = new(len(st.Rounds))
	}
	maps.Copy(o.Models, more.Models)
	maps.Copy(o.Set, more.Set)
	if more.Agents != nil {
		o.Agents = more.Agents
	}
	if more.Rounds != nil {
		o.Rounds = more.Rounds
	}
	if more.Seed != nil {
		o.Seed = more.Seed
	}
	return o
}

// replayable checks that the runs are there which a scenario replays.
func (s *Service) replayable(ctx context.Context, sc *scenario.Scenario) error {
	for _, m := range sc.Models {
		if !m.Replay() {
			continue
		}
		_, err := s.read(ctx, m.Run)
		if errors.Is(err, ErrNoRun) {
			return &control.Problem{Code: codeInvalid, Detail: fmt.Sprintf("model %s: there is no run %s to replay", m.Name, m.Run)}
		}
		if err != nil {
			return err
		}
	}
	return nil
}
