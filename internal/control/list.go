package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
)

// List returns the runs in the bucket of runs, newest first.
func List(ctx context.Context, kv jetstream.KeyValue) ([]Info, error) {
	w, err := kv.WatchAll(ctx, jetstream.IgnoreDeletes())
	if err != nil {
		return nil, fmt.Errorf("control: list runs: %w", err)
	}
	defer func() { _ = w.Stop() }() // only ends our own subscription
	out := []Info{}
	for {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("control: list runs: %w", ctx.Err())
		case e, ok := <-w.Updates():
			if !ok {
				return nil, errors.New("control: list runs: the connection was closed")
			}
			if e == nil { // the end of what is there
				slices.SortStableFunc(out, func(a, b Info) int { return b.Created.Compare(a.Created) })
				return out, nil
			}
			var i Info
			if err := json.Unmarshal(e.Value(), &i); err != nil {
				return nil, fmt.Errorf("control: list runs: %s: %w", e.Key(), err)
			}
			out = append(out, i)
		}
	}
}
