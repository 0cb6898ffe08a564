package tree

import (
	"slices"

	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Call is a request for a function.
type Call struct {
	Env, Function string
	Args          any              // in normal form; nil for none
	Caller        subjects.Address // "" for a program that is no agent
	ID            string           // of the request, "" for one that may be done again
}

// Entry is what one call did, as it is recorded.
type Entry struct {
	Env, Function, Caller, ID string
	Outcome                   *Outcome // nil without a request id
	Ops                       []Op
	Tells                     []Told
}

// OpKind is what an Op does. Numbers are part of the record format.
type OpKind uint8

// Kinds of ops, with what their fields are.
const (
	OpSet      OpKind = iota // Key, Value
	OpDelete                 // Key
	OpAppend                 // Key, Value: appended to the list
	OpCreate                 // Key: the kind, Data: its configuration as JSON, or nothing
	OpRemove                 // with all nested in it
	OpListen                 // Data: a listener as JSON
	OpUnlisten               // Key: its name
	OpEdge                   // Key: name of a listener, Value: whether its condition is true now
	opKinds
)

// Op is one change of a tree.
type Op struct {
	Kind  OpKind
	Env   string // "": that of the entry
	Key   string
	Value any
	Data  []byte
}

// Told is a message to agents or a hub.
type Told struct {
	Listener string
	To       []string // addresses
	Hub      string
	Msg      []byte // msgpack
}

// Ref names a message that is to be delivered: the record that told it, and its number among the messages of that record.
type Ref struct {
	Seq uint64
	N   int
}

// Effect is a message to one agent, or to a hub.
type Effect struct {
	Ref
	Env      string
	Listener string
	To       subjects.Address
	Hub      string // instead of To
	Msg      []byte
}

// each makes of a Told its messages, without their Refs.
func (t Told) each() []*Effect {
	if t.Hub != "" {
		return []*Effect{{Listener: t.Listener, Hub: t.Hub, Msg: t.Msg}}
	}
	out := make([]*Effect, len(t.To))
	for i, to := range t.To {
		out[i] = &Effect{Listener: t.Listener, To: subjects.Address(to), Msg: t.Msg}
	}
	return out
}

func (e *Entry) messages() int {
	n := 0
	for _, t := range e.Tells {
		if t.Hub != "" {
			n++
		} else {
			n += len(t.To)
		}
	}
	return n
}

// Messages is how many messages entries tell.
func Messages(entries []*Entry) int {
	n := 0
	for _, e := range entries {
		n += e.messages()
	}
	return n
}

// writes reports whether the entry changes a key of an environment; key "" stands for anything of it.
func (e *Entry) writes(env, key string) bool {
	return slices.ContainsFunc(e.Ops, func(o Op) bool {
		if o.Env != env && (o.Env != "" || e.Env != env) {
			return false
		}
		switch o.Kind {
		case OpSet, OpDelete, OpAppend:
			return key == "" || o.Key == key
		case OpCreate, OpRemove:
			return key == ""
		}
		return false
	})
}
