package tree

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/myriad-sim/myriad/pkg/environment"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Apply brings the tree to the next record. Nothing may be uncommitted. The error is ErrRecord; the tree is of no use then.
func (t *Tree) Apply(r *Record, seq uint64) error {
	if seq <= t.seq {
		return nil
	}
	for i, e := range r.Entries {
		for _, o := range e.Ops {
			if err := t.apply(e, o); err != nil {
				return fmt.Errorf("%w: record %d, call %d (%s of %s): %w", ErrRecord, seq, i+1, e.Function, e.Env, err)
			}
		}
		if e.Outcome != nil {
			t.outcomes.keep(key(&Call{Env: e.Env, Function: e.Function, Caller: subjects.Address(e.Caller), ID: e.ID}), *e.Outcome)
		}
	}
	t.Commit(len(t.undo), seq, r.At, r.Entries, r.Marks)
	return nil
}

var (
	errNoEnv      = errors.New("no such environment")
	errNoListener = errors.New("no such listener")
)

func (t *Tree) apply(entry *Entry, o Op) error {
	name := o.Env
	if name == "" {
		name = entry.Env
	}
	if o.Kind == OpCreate {
		return t.recreate(name, o)
	}
	e, ok := t.envs[name]
	if !ok {
		return fmt.Errorf("%w: %q", errNoEnv, name)
	}
	switch o.Kind {
	case OpSet:
		t.set(e, o.Key, o.Value)
	case OpDelete:
		t.unset(e, o.Key)
	case OpAppend:
		_, err := t.push(e, o.Key, o.Value)
		return err
	case OpRemove:
		t.remove(e)
	case OpListen:
		var l environment.Listener
		if err := json.Unmarshal(o.Data, &l); err != nil {
			return err
		}
		c, err := l.Compile()
		if err != nil {
			return err
		}
		if _, twice := e.listener(l.Name); twice {
			return fmt.Errorf("listener %q twice", l.Name)
		}
		t.listen(e, c)
	case OpUnlisten:
		t.unlisten(e, o.Key)
	case OpEdge:
		place, found := e.listener(o.Key)
		if !found {
			return fmt.Errorf("%w: %q", errNoListener, o.Key)
		}
		now, _ := o.Value.(bool)
		t.edge(e.listeners[place], now)
	}
	return nil
}

func (t *Tree) recreate(name string, o Op) error {
	parent := environment.ParentOf(name)
	if _, twice := t.envs[name]; twice || parent != "" && t.envs[parent] == nil {
		return fmt.Errorf("environment %q cannot be there", name)
	}
	config := o.Data
	if len(config) == 0 {
		config = nil
	}
	code, err := t.build(o.Key, config)
	if err != nil {
		code = nil // lacking, or of a version that refuses what an older one accepted: others may serve it
	}
	t.add(name, o.Key, config, code)
	return nil
}
