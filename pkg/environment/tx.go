package environment

import (
	"time"

	"github.com/myriad-sim/myriad/pkg/environment/formula"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Tx is one call of a function, seen from one environment: a view of its state, and of the tree around it. It is valid until
// the function returns and for one goroutine. Values are in the normal form of package value; those that come out of it are
// not to be changed.
type Tx interface {
	// Run is the run of the environment, and Env its name.
	Run() string
	Env() string
	// Caller is the agent whose request this is, "" for a program that is no agent. It stays the same where functions call
	// each other.
	Caller() subjects.Address
	// Now is the time of the call as it goes into the log. It never goes back.
	Now() time.Time

	// Get returns the value of a key.
	Get(key string) (any, bool)
	// Set gives a key a value, which is copied. nil deletes the key. Errors: ErrBadRequest for what cannot be a key or a
	// value.
	Set(key string, v any) error
	// Append appends to a list, which begins empty, and returns its new length. Only what is appended is written.
	Append(key string, v any) (int, error)
	// Delete removes a key and reports whether it was there.
	Delete(key string) bool
	// Keys lists the keys that begin with a prefix, in order.
	Keys(prefix string) []string
	// Eval runs an expression on this environment.
	Eval(p *formula.Program, args Args) (any, error)

	// Call calls a function of this environment, within the same transaction. An error takes back what that function
	// changed; the caller decides whether it is its own error too.
	Call(function string, args map[string]any) (any, error)
	// Parent is the environment around this one; ok is false for a root.
	Parent() (parent Tx, ok bool)
	// Child is an environment directly inside this one, by the last part of its name.
	Child(name string) (child Tx, ok bool)
	// Children lists the environments directly inside this one: the last parts of their names, in order.
	Children() []string

	// Tell sends a message once the call is on disk; if the call fails it does not. The error is ErrBadRequest.
	Tell(t Tell) error
}

// Tell is a message to agents, who each observe it once, and in the order in which one environment told them; or to a hub,
// as an announcement.
type Tell struct {
	To       []subjects.Address
	Hub      string // instead of To
	Listener string // what made it, for the log: the name of a listener, or ""
	Msg      msg.Msg
}
