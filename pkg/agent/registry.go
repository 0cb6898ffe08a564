package agent

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/myriad-sim/myriad/internal/wire"
)

// Registry holds the kinds of agents that a program serves, by name. It is filled before the program starts and only read
// afterwards.
type Registry struct {
	kinds map[string]Kind
}

// NewRegistry returns a registry of the kinds that come with Myriad: "dialog" and "user".
func NewRegistry() *Registry {
	return &Registry{kinds: map[string]Kind{"dialog": Dialog, "user": User}}
}

// Add registers a kind and returns the registry, so that calls can be chained. A kind of the same name is replaced.
func (r *Registry) Add(name string, kind Kind) *Registry {
	r.kinds[name] = kind
	return r
}

// Find returns a kind. The error is ErrNoKind, with the names there are.
func (r *Registry) Find(name string) (Kind, error) {
	if kind, ok := r.kinds[name]; ok {
		return kind, nil
	}
	return nil, fmt.Errorf("%w of agent: %q; this program has %s", wire.ErrNoKind, name, strings.Join(r.Names(), ", "))
}

// Names lists the kinds in order.
func (r *Registry) Names() []string { return slices.Sorted(maps.Keys(r.kinds)) }
