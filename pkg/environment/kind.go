package environment

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/myriad-sim/myriad/internal/wire"
)

// Kind makes the code of an environment from its configuration: JSON as whoever asked for it gave it, nil if they gave none.
// A configuration that makes no sense is an error that says where and what. It is called again, with the same configuration,
// whenever the environment is read back from the log, and by several programs; so it has no effect.
type Kind func(config []byte) (*Code, error)

// Code is what an environment of a kind does beyond what all do.
type Code struct {
	// Init makes the first state. nil: there is none.
	Init func(tx Tx) error
	// Functions by name. Names of built-in functions are refused.
	Functions map[string]Function
	// Listeners that the environment has from the beginning.
	Listeners []Listener
}

// Function is one function of an environment. Do is called by one goroutine at a time for a whole tree and holds up every
// other call of it, so it does not wait for anything. It depends on nothing but tx and args and has no effect but through
// tx: it may be called again for the same request, when another program was first to write to the log. An error takes back
// what it changed.
type Function struct {
	// Args are the names of its arguments. One that ends in "?" may be missing.
	Args []string
	// About says in a few words what it does.
	About string
	Do    func(tx Tx, args Args) (any, error)
}

// Registry holds the kinds of environments that a program serves, by name. It is filled before the program starts and only
// read afterwards.
type Registry struct {
	kinds map[string]Kind
}

// NewRegistry returns a registry of the kinds that come with Myriad: "state", "chatroom", "map2d" and "timeline".
func NewRegistry() *Registry {
	return &Registry{kinds: map[string]Kind{
		"state": NewState, "chatroom": NewChatRoom, "map2d": NewMap2D, "timeline": NewTimeline,
	}}
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
	return nil, fmt.Errorf("%w of environment: %q; this program has %s", wire.ErrNoKind, name, strings.Join(r.Names(), ", "))
}

// Names lists the kinds in order.
func (r *Registry) Names() []string { return slices.Sorted(maps.Keys(r.kinds)) }
