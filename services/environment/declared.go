package environment

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"

	"github.com/myriad-sim/myriad/pkg/environment"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// declared creates the environments that a scenario declares, by requests that any service of this kind answers. It may be
// called again, by several services: what is there already stays as it is, and what was removed meanwhile is not made anew.
// It asks until ctx ends. The error is environment.ErrExists if a name is taken by something else.
func declared(ctx context.Context, nc *nats.Conn, run string, sc *scenario.Scenario, shardSize int) error {
	client := environment.NewClient(nc, run)
	for i := range sc.Environments { // parents come first
		e := &sc.Environments[i]
		if err := client.Env(e.Name).Once("declared").Create(ctx, e.Kind, e.Setup(shardSize)); err != nil {
			return fmt.Errorf("environment %s of the scenario: %w", e.Name, err)
		}
	}
	return nil
}
