package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/environment"
	"github.com/myriad-sim/myriad/pkg/subjects"
	"github.com/myriad-sim/myriad/services/environment/engine/tree"
)

// scenarioWorld is the name of the environment that a scenario's rounds make.
const scenarioWorld = "world"

// scenario answers a call of the world of a scenario's run, which is in the bucket of environments. It is false if there is
// none.
func (a *actor) scenario(ctx context.Context, j *job) bool {
	if a.key.root != scenarioWorld {
		return false
	}
	var entry jetstream.KeyValueEntry
	err := a.e.bounded(ctx, patience, func(ctx context.Context) error {
		return persist(ctx, func(ctx context.Context) (err error) {
			entry, err = a.e.kv.Get(ctx, subjects.Encode(a.key.run)+"."+scenarioWorld)
			return err
		})
	})
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		return false
	case err != nil:
		a.e.refuse(j, fmt.Errorf("%w: %w", wire.ErrUnavailable, err))
		return true
	case j.env != scenarioWorld:
		a.e.refuse(j, fmt.Errorf("%w: %q: the world of a scenario has none inside", wire.ErrNoEnvironment, j.env))
		return true
	case !tree.Reads(j.function):
		a.e.refuse(j, fmt.Errorf("%w: the world of run %s follows from the answers of its rounds: it can be read, and not be written", wire.ErrBadRequest, a.key.run))
		return true
	}
	world, err := a.worldOf(entry.Value())
	if err != nil {
		a.e.refuse(j, fmt.Errorf("%w: %w", wire.ErrUnavailable, err))
		return true
	}
	out, _, err := world.Do(j.call(), entry.Created())
	if err != nil {
		a.e.refuse(j, err)
		return true
	}
	m, err := out.Message(j.env, j.req.Encoding)
	a.e.reply(j, m, err)
	return true
}

// worldOf makes an environment of a scenario's world: its values by key, and "round" and "previous" where these are no keys
// of the world itself.
func (a *actor) worldOf(projected []byte) (*tree.Tree, error) {
	var p struct {
		Round    int               `json:"round"`
		World    environment.State `json:"world"`
		Previous environment.State `json:"previous"`
	}
	if err := json.Unmarshal(projected, &p); err != nil {
		return nil, err
	}
	state := map[string]any{"round": int64(p.Round), "previous": map[string]any(p.Previous)}
	maps.Copy(state, p.World)
	kinds := environment.NewRegistry().Add("scenario", func([]byte) (*environment.Code, error) { return &environment.Code{}, nil })
	return tree.Fixed(a.key.run, scenarioWorld, "scenario", state, kinds), nil
}
