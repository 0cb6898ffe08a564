// Package hosts is the register of living agent hosts: each host puts a beat into the bucket subjects.BucketHosts once a
// second, and an entry that is not renewed disappears. It may import pkg/subjects and the NATS client.
package hosts

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

// Beat is what a host says of itself.
type Beat struct {
	ID          string    `json:"id"`          // its name, kept over restarts where configured
	Incarnation string    `json:"incarnation"` // new at every start; leases are given to it
	Address     string    `json:"address"`     // host name of the machine
	PID         int       `json:"pid"`
	Started     time.Time `json:"started"`
	Agents      int       `json:"agents"`    // agents it owns
	InFlight    int       `json:"in_flight"` // agents waiting for a model
	CPUs        int       `json:"cpus"`
	MemoryBytes uint64    `json:"memory_bytes"` // obtained from the system by its process
}

// Put renews the entry of a host.
func Put(ctx context.Context, kv jetstream.KeyValue, b Beat) error {
	data, err := json.Marshal(b)
	if err != nil {
		return fmt.Errorf("hosts: encode: %w", err)
	}
	if _, err := kv.Put(ctx, subjects.Encode(b.Incarnation), data); err != nil {
		return fmt.Errorf("hosts: announce %s: %w", b.ID, err)
	}
	return nil
}

// Remove takes a host off the register.
func Remove(ctx context.Context, kv jetstream.KeyValue, incarnation string) error {
	if err := kv.Purge(ctx, subjects.Encode(incarnation)); err != nil {
		return fmt.Errorf("hosts: remove: %w", err)
	}
	return nil
}

// listTimeout bounds a listing: if the broker goes away meanwhile its end never comes.
const listTimeout = 5 * time.Second

// List returns the hosts on the register, ordered by id and incarnation. Entries that no host can have written are left out:
// shards must not be given to them.
func List(ctx context.Context, kv jetstream.KeyValue) ([]Beat, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	w, err := kv.WatchAll(ctx)
	if err != nil {
		return nil, fmt.Errorf("hosts: list: %w", err)
	}
	defer func() { _ = w.Stop() }() // only ends our own subscription
	beats := map[string]Beat{}      // by key: a host whose beat comes while it is listed is there twice
	for {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("hosts: list: %w", ctx.Err())
		case e, ok := <-w.Updates():
			switch {
			case !ok:
				return nil, errors.New("hosts: list: the connection was closed")
			case e == nil: // the end of what is there
				return slices.SortedFunc(maps.Values(beats), func(a, b Beat) int {
					return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Incarnation, b.Incarnation))
				}), nil
			case e.Operation() != jetstream.KeyValuePut:
				delete(beats, e.Key())
			default:
				var b Beat
				if err := json.Unmarshal(e.Value(), &b); err == nil && subjects.Encode(b.Incarnation) == e.Key() {
					beats[e.Key()] = b
				}
			}
		}
	}
}
