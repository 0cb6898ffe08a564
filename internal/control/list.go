package control

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/pkg/subjects"
)

// listTimeout bounds a listing: if the broker goes away meanwhile its end never comes.
const listTimeout = 5 * time.Second

// List returns the runs in the bucket of runs, newest first. An entry that does not decode is listed as StateDamaged: the
// bucket is a projection of the log, and one bad entry must not hide the others.
func List(ctx context.Context, kv jetstream.KeyValue) ([]Info, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	w, err := kv.WatchAll(ctx)
	if err != nil {
		return nil, fmt.Errorf("control: list runs: %w", err)
	}
	defer func() { _ = w.Stop() }() // only ends our own subscription
	runs := map[string]Info{}       // by key: what changes while it is listed comes twice
	for {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("control: list runs: %w", ctx.Err())
		case e, ok := <-w.Updates():
			switch {
			case !ok:
				return nil, errors.New("control: list runs: the connection was closed")
			case e == nil: // the end of what is there
				out := append([]Info{}, slices.Collect(maps.Values(runs))...)
				slices.SortFunc(out, func(a, b Info) int { return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(a.ID, b.ID)) })
				return out, nil
			case e.Operation() != jetstream.KeyValuePut:
				delete(runs, e.Key())
			default:
				runs[e.Key()] = read(e)
			}
		}
	}
}

func read(e jetstream.KeyValueEntry) Info {
	var i Info
	err := json.Unmarshal(e.Value(), &i)
	if err == nil {
		return i
	}
	id, bad := subjects.Decode(e.Key())
	if bad != nil {
		id = e.Key()
	}
	return Info{ID: id, State: StateDamaged, Reason: fmt.Sprintf("its entry in the list does not decode: %v", err), Created: e.Created().UTC()}
}
