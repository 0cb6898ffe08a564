package coordinator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// fork records a run that goes on after a round of another one, with changes. Nothing is written for one that cannot.
func (s *Service) fork(ctx context.Context, in control.ForkOrder) (control.Info, error) {
	st, err := s.sound(ctx, in.Run) // a damaged run has rounds before the damage
	if unsound(err) {
		return control.Info{}, &control.Problem{Code: codeInvalid, Detail: fmt.Sprintf("run: %s cannot be forked, its log is not sound: %v", in.Run, err)}
	}
	if err != nil {
		return control.Info{}, err
	}
	of, err := st.ForkAt(in.AtRound)
	if err == nil {
		err = s.soundUpto(of)
	}
	if err != nil {
		return control.Info{}, err
	}
	overrides := onTop(st.Created.Overrides, in.Overrides)
	sc, err := scenario.Load(st.Created.File, st.Created.Source, overrides)
	if err != nil {
		return control.Info{}, err
	}
	size := in.ShardSize
	if size == 0 {
		size = st.Created.ShardSize
	}
	if of.Round > 0 {
		if err := st.Fits(sc, size, of.Round); err != nil {
			return control.Info{}, err
		}
	}
	name := in.Name
	if name == "" {
		name = sc.Name
	}
	return s.begin(ctx, name, sc, runlog.Created{
		Name: sc.Name, File: st.Created.File, Source: st.Created.Source, Overrides: overrides, Agents: sc.Population.Size, ShardSize: size, Fork: &of,
	})
}

// unsound reports whether a run cannot be read because of what its log says.
func unsound(err error) bool {
	return errors.Is(err, runlog.ErrDamaged) || errors.Is(err, runlog.ErrDigest) || errors.Is(err, runlog.ErrOrder) || errors.Is(err, runlog.ErrVersion)
}

// onTop are the overrides of a run with those of its fork on top. What refined a model that the fork replaces goes with it.
func onTop(was, more scenario.Overrides) scenario.Overrides {
	o := was
	o.Models, o.Set = map[string]string{}, map[string]string{}
	maps.Copy(o.Models, was.Models)
	maps.Copy(o.Models, more.Models)
	for path, value := range was.Set {
		_, replaced := more.Models[modelOf(path)]
		if !replaced {
			o.Set[path] = value
		}
	}
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

// modelOf is the name of the model that a path of a setting leads to, "" if it leads elsewhere.
func modelOf(path string) string {
	rest, ok := strings.CutPrefix(path, "models.")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, ".")
	return name
}

// serveFork answers an order to fork a run.
func (s *Service) serveFork(ctx context.Context, data []byte) (any, error) {
	var in control.ForkOrder
	if err := json.Unmarshal(data, &in); err != nil {
		return nil, &control.Problem{Code: codeInvalid, Detail: fmt.Sprintf("not a JSON order like {\"run\": \"id\", \"at_round\": 3}: %v", err)}
	}
	return s.fork(ctx, in)
}

// forkOf is what lists say of where a run branches off; nil for one of its own.
func forkOf(c *runlog.Created) *control.ForkOf {
	if c.Fork == nil {
		return nil
	}
	return &control.ForkOf{Run: c.Fork.Run, Round: c.Fork.Round}
}
