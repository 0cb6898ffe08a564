package environment

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/myriad-sim/myriad/pkg/environment/formula"
)

// stateConfig is the configuration of kind "state".
type stateConfig struct {
	State     map[string]any             `json:"state"`
	Functions map[string]json.RawMessage `json:"functions"`
	Listeners []json.RawMessage          `json:"listeners"`
}

// declared is a function declared by expressions.
type declared struct {
	Args    []string          `json:"args"`
	Set     map[string]string `json:"set"`
	Returns string            `json:"returns"`
	About   string            `json:"about"`
}

// NewState is the kind "state": an environment that is declared and not programmed. Its configuration is
//
//	{"state": {key: value, …},
//	 "functions": {name: {"args": […], "set": {key: expression, …}, "returns": expression, "about": text}, …},
//	 "listeners": [a Listener, …]}
//
// A function computes all values of "set" from the state before the call, writes them (nothing, nil, deletes the key), and
// then computes what it returns from the state after.
func NewState(config []byte) (*Code, error) {
	var c stateConfig
	if err := strict(config, &c); err != nil {
		return nil, at("config", err)
	}
	code := &Code{Functions: map[string]Function{}, Init: func(tx Tx) error {
		for _, key := range slices.Sorted(maps.Keys(c.State)) {
			if err := tx.Set(key, c.State[key]); err != nil {
				return at("config", at("state", at(key, err)))
			}
		}
		return nil
	}}
	for _, name := range slices.Sorted(maps.Keys(c.Functions)) {
		f, err := compileFunction(c.Functions[name])
		if err != nil {
			return nil, at("config", at("functions", at(name, err)))
		}
		code.Functions[name] = f
	}
	for i, raw := range c.Listeners {
		var l Listener
		err := strict(raw, &l)
		if err == nil {
			_, err = l.Compile()
		}
		if err != nil {
			return nil, at("config", at(fmt.Sprintf("listeners[%d]", i), err))
		}
		code.Listeners = append(code.Listeners, l)
	}
	return code, nil
}

func compileFunction(raw []byte) (Function, error) {
	var d declared
	if err := strict(raw, &d); err != nil {
		return Function{}, err
	}
	names := make([]string, len(d.Args))
	for i, a := range d.Args {
		if names[i] = strings.TrimSuffix(a, "?"); names[i] == "" {
			return Function{}, at(fmt.Sprintf("args[%d]", i), fmt.Errorf("%w: no name", ErrBadRequest))
		}
	}
	type assignment struct {
		key  string
		expr *formula.Program
	}
	var sets []assignment
	for _, key := range slices.Sorted(maps.Keys(d.Set)) {
		if err := CheckKey(key); err != nil {
			return Function{}, at("set", at(key, err))
		}
		p, err := formula.Compile(d.Set[key], names)
		if err != nil {
			return Function{}, at("set", at(key, err))
		}
		sets = append(sets, assignment{key, p})
	}
	var returns *formula.Program
	if d.Returns != "" {
		var err error
		if returns, err = formula.Compile(d.Returns, names); err != nil {
			return Function{}, at("returns", err)
		}
	}
	return Function{Args: d.Args, About: d.About, Do: func(tx Tx, args Args) (any, error) {
		values := make([]any, len(sets))
		for i, s := range sets {
			v, err := tx.Eval(s.expr, args)
			if err != nil {
				return nil, fmt.Errorf("set %s: %w", s.key, err)
			}
			values[i] = v
		}
		for i, s := range sets {
			if err := tx.Set(s.key, values[i]); err != nil {
				return nil, fmt.Errorf("set %s: %w", s.key, err)
			}
		}
		if returns == nil {
			return nil, nil
		}
		return tx.Eval(returns, args)
	}}, nil
}

// strict reads JSON into a fixed type and refuses fields the type has not, and numbers stay as they are written. Nothing is
// an empty object.
func strict(raw []byte, into any) error {
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	dec.UseNumber()
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("%w: %w", ErrBadRequest, err)
	}
	if dec.More() {
		return fmt.Errorf("%w: something follows the JSON value", ErrBadRequest)
	}
	return nil
}
