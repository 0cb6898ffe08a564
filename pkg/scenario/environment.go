package scenario

import (
	"encoding/json"

	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Kinds of environments, of Environment.Kind.
const (
	EnvironmentState    = "state"
	EnvironmentChatroom = "chatroom"
	EnvironmentMap2D    = "map2d"
	EnvironmentTimeline = "timeline"
)

// Environment is a state that agents share while the run lasts, with functions that anyone may call.
type Environment struct {
	Name      string                     // the parts joined with "/": "market/left" is inside "market"
	Kind      string                     // one of the kinds of environments
	Config    map[string]json.RawMessage `json:",omitempty"` // what its kind is made with, without the listeners
	Listeners []Listener                 `json:",omitempty"` // state: in file order
}

// Listener has agents told when the state of an environment comes to satisfy a condition.
type Listener struct {
	Name string
	When string     `json:",omitempty"` // expression over the state; "": each call that On names
	On   string     `json:",omitempty"` // a key or a function: only calls about it are looked at; "": all
	Tell []Audience `json:",omitempty"`
	Hub  string     `json:",omitempty"` // instead of Tell
	Say  string     `json:",omitempty"` // text with expressions in double braces
}

// Audience is who is told: the agent at an address, or consecutive agents of the population.
type Audience struct {
	Address      subjects.Address `json:",omitempty"`
	First, Count int              // without an address
}

// Setup is what the environment is created with in a run whose shards have so many agents: Config with the listeners, who
// tell agents by their addresses.
func (e *Environment) Setup(shardSize int) map[string]any {
	type resolved struct {
		Name string             `json:"name"`
		When string             `json:"when,omitempty"`
		On   string             `json:"on,omitempty"`
		Tell []subjects.Address `json:"tell,omitempty"`
		Hub  string             `json:"hub,omitempty"`
		Say  string             `json:"say,omitempty"`
	}
	out := make(map[string]any, len(e.Config)+1)
	for key, v := range e.Config {
		out[key] = v
	}
	var listeners []resolved
	for _, l := range e.Listeners {
		one := resolved{Name: l.Name, When: l.When, On: l.On, Hub: l.Hub, Say: l.Say}
		for _, a := range l.Tell {
			if a.Address != "" {
				one.Tell = append(one.Tell, a.Address)
			}
			for n := a.First; n < a.First+a.Count; n++ {
				one.Tell = append(one.Tell, subjects.PopulationAddress(n/max(1, shardSize), n))
			}
		}
		listeners = append(listeners, one)
	}
	if listeners != nil {
		out["listeners"] = listeners
	}
	return out
}
