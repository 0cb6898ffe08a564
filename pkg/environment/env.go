package environment

import (
	"context"
	"fmt"

	"github.com/myriad-sim/myriad/pkg/environment/value"
	"github.com/myriad-sim/myriad/pkg/msg"
)

// What follows are the built-in functions. Values are what encoding/json can write; into is a pointer as for json.Unmarshal,
// and *any gives the normal form of package value.

// Get stores the value of a key in what into points to and reports whether there is one. into may be nil.
func (e *Env) Get(ctx context.Context, key string, into any) (bool, error) {
	out, err := e.Call(ctx, "get", map[string]any{"key": key})
	if err != nil || out.Kind() == msg.KindNone {
		return false, err
	}
	return true, store(out, into)
}

// Set gives a key a value; nil deletes it.
func (e *Env) Set(ctx context.Context, key string, v any) error {
	return e.into(ctx, "set", map[string]any{"key": key, "value": v}, nil)
}

// CompareAndSet gives a key a value if it has the value expect (nil: none), and reports whether it did.
func (e *Env) CompareAndSet(ctx context.Context, key string, expect, v any) (bool, error) {
	var out struct {
		Done bool `json:"done"`
	}
	err := e.into(ctx, "compare_and_set", map[string]any{"key": key, "expect": expect, "value": v}, &out)
	return out.Done, err
}

// Incr adds to a whole number, which begins as 0, and returns the sum. One that does not fit is an error.
func (e *Env) Incr(ctx context.Context, key string, by int64) (int64, error) {
	var out int64
	err := e.into(ctx, "incr", map[string]any{"key": key, "by": by}, &out)
	return out, err
}

// Append appends to a list, which begins empty, and returns its length.
func (e *Env) Append(ctx context.Context, key string, v any) (int, error) {
	var out int
	err := e.into(ctx, "append", map[string]any{"key": key, "value": v}, &out)
	return out, err
}

// Delete removes a key and reports whether it was there.
func (e *Env) Delete(ctx context.Context, key string) (bool, error) {
	var out bool
	err := e.into(ctx, "delete", map[string]any{"key": key}, &out)
	return out, err
}

// Keys lists the keys that begin with a prefix, in order.
func (e *Env) Keys(ctx context.Context, prefix string) ([]string, error) {
	var out []string
	err := e.into(ctx, "keys", map[string]any{"prefix": prefix}, &out)
	return out, err
}

// Query stores the value of an expression over the state (see package formula) in what into points to.
func (e *Env) Query(ctx context.Context, expression string, into any) error {
	return e.into(ctx, "query", map[string]any{"expression": expression}, into)
}

// State is a state as data. Read from JSON its values are in the normal form of package value, whole numbers exact.
type State map[string]any

// UnmarshalJSON implements json.Unmarshaler.
func (s *State) UnmarshalJSON(data []byte) error {
	v, err := value.Parse(data)
	if err != nil {
		return err
	}
	m, ok := v.(map[string]any)
	if !ok && v != nil {
		return fmt.Errorf("%w: a state is a map", ErrBadRequest)
	}
	*s = m
	return nil
}

// Exported is an environment as data, with those nested in it by the last part of their names.
type Exported struct {
	Kind     string              `json:"kind"`
	State    State               `json:"state"`
	Children map[string]Exported `json:"children,omitempty"`
}

// Export returns the state of the environment and of all nested in it.
func (e *Env) Export(ctx context.Context) (Exported, error) {
	var out Exported
	err := e.into(ctx, "export", nil, &out)
	return out, err
}

// Description says what can be done with an environment.
type Description struct {
	Name      string              `json:"name"`
	Kind      string              `json:"kind"`
	Functions map[string]Declared `json:"functions"`
	Children  []string            `json:"children"` // last parts of their names, in order
	Listeners []Listener          `json:"listeners"`
}

// Declared is a function in a Description.
type Declared struct {
	Args  []string `json:"args"` // those that end in "?" may be missing
	About string   `json:"about,omitempty"`
}

// Describe says what can be done with the environment.
func (e *Env) Describe(ctx context.Context) (Description, error) {
	var out Description
	err := e.into(ctx, "describe", nil, &out)
	return out, err
}

// Create makes the environment, which must have a parent unless its name has one part. config is anything encoding/json can
// write, nil for none. To make again what is there, of the same kind and configuration, is no error; else it is ErrExists.
func (e *Env) Create(ctx context.Context, kind string, config any) error {
	return e.into(ctx, "create", map[string]any{"kind": kind, "config": config}, nil)
}

// Remove removes the environment and all nested in it.
func (e *Env) Remove(ctx context.Context) error { return e.into(ctx, "remove", nil, nil) }

// Listen adds a listener. To add again what is there is no error; another of the same name is ErrExists.
func (e *Env) Listen(ctx context.Context, l Listener) error { return e.into(ctx, "listen", l, nil) }

// Unlisten removes a listener.
func (e *Env) Unlisten(ctx context.Context, name string) error {
	return e.into(ctx, "unlisten", map[string]any{"name": name}, nil)
}
