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

// TTL is how long a host may be silent: three of its beats.
const TTL = 3 * time.Second

// Beat is what a host says of itself.
type Beat struct {
	ID          string    `json:"id"`          // its name, kept over restarts where configured
	Incarnation string    `json:"incarnation"` // new at every start; leases are given to it
	Address     string    `json:"address"`     // host name of the machine
	PID         int       `json:"pid"`
	Started     time.Time `json:"started"`        // of two lives of one id the newer counts
	Agents      int       `json:"agents"`         // agents it owns, code agents included
	CodeAgents  int       `json:"code_agents"`    // they belong to the id and move nowhere
	Shards      int       `json:"shards"`         // shards it owns of runs that are not over
	InFlight    int       `json:"in_flight"`      // agents waiting for a model
	CPUs        int       `json:"cpus"`           // processors that it uses at most
	CPU         float64   `json:"cpu"`            // processors that it used since the beat before
	MemoryBytes uint64    `json:"memory_bytes"`   // obtained from the system by its process
	Draining    bool      `json:"draining"`       // gives its shards away, and begins no turns
	Quiet       bool      `json:"quiet,omitzero"` // draining, and nothing that it asked or answered is under way any more
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

// Remove takes a host off the register: it is dead at once, and for good.
func Remove(ctx context.Context, kv jetstream.KeyValue, incarnation string) error {
	if err := kv.Purge(ctx, subjects.Encode(incarnation)); err != nil {
		return fmt.Errorf("hosts: remove: %w", err)
	}
	return nil
}

// decode reads an entry, and reports whether a host can have written it under its key: shards must not be given to others.
func decode(key string, data []byte) (Beat, bool) {
	var b Beat
	err := json.Unmarshal(data, &b)
	return b, err == nil && b.Incarnation != "" && subjects.Encode(b.Incarnation) == key
}

// listTimeout bounds a listing: if the broker goes away meanwhile its end never comes.
const listTimeout = 5 * time.Second

// List returns the entries of the register, ordered by id and incarnation, those of hosts that died without a goodbye
// included. Entries that no host can have written are left out.
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
				if b, ok := decode(e.Key(), e.Value()); ok {
					beats[e.Key()] = b
				}
			}
		}
	}
}
