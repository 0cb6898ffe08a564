package tree

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/environment"
	"github.com/myriad-sim/myriad/pkg/environment/formula"
	"github.com/myriad-sim/myriad/pkg/environment/value"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// txn is one call on the tree.
type txn struct {
	t      *Tree
	caller subjects.Address
	now    time.Time
	entry  *Entry
	depth  int
	called []called
	added  []*listener // by the call itself: they look from the next one on
}

type called struct {
	env      *env
	function string
}

// view is a txn seen from one environment: the environment.Tx of functions.
type view struct {
	x *txn
	e *env
}

func (v *view) Run() string              { return v.x.t.run }
func (v *view) Env() string              { return v.e.name }
func (v *view) Caller() subjects.Address { return v.x.caller }
func (v *view) Now() time.Time           { return v.x.now }

func (v *view) Get(key string) (any, bool) {
	out, ok := v.e.state[key]
	return out, ok
}

// note adds to the record what was done.
func (x *txn) note(e *env, o Op) {
	if e.name != x.entry.Env {
		o.Env = e.name
	}
	x.entry.Ops = append(x.entry.Ops, o)
}

func (v *view) Set(key string, to any) error {
	if to == nil {
		v.Delete(key)
		return environment.CheckKey(key)
	}
	to, err := settable(key, to)
	if err != nil {
		return err
	}
	v.x.t.set(v.e, key, to)
	v.x.note(v.e, Op{Kind: OpSet, Key: key, Value: to})
	return nil
}

func settable(key string, to any) (any, error) {
	if err := environment.CheckKey(key); err != nil {
		return nil, err
	}
	to, err := value.Normal(to)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", wire.ErrBadRequest, err)
	}
	return to, nil
}

func (v *view) Append(key string, e any) (int, error) {
	e, err := settable(key, e)
	if err != nil {
		return 0, err
	}
	n, err := v.x.t.push(v.e, key, e)
	if err != nil {
		return 0, err
	}
	v.x.note(v.e, Op{Kind: OpAppend, Key: key, Value: e})
	return n, nil
}

func (v *view) Delete(key string) bool {
	if !v.x.t.unset(v.e, key) {
		return false
	}
	v.x.note(v.e, Op{Kind: OpDelete, Key: key})
	return true
}

func (v *view) Keys(prefix string) []string {
	out := []string{}
	for k := range v.e.state {
		if strings.HasPrefix(k, prefix) {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return out
}

func (v *view) Eval(p *formula.Program, args environment.Args) (any, error) {
	return p.Eval(v.scope(args))
}

func (v *view) scope(args environment.Args) formula.Scope {
	return formula.Scope{
		State: v.e.state, Args: args, Caller: string(v.x.caller), Env: v.e.name, Now: v.x.now,
		Parent: func() map[string]any {
			if v.e.parent == nil {
				return nil
			}
			return v.e.parent.state
		},
		Children: func() []any {
			out := make([]any, 0, len(v.e.children))
			for _, name := range v.Children() {
				out = append(out, map[string]any{"name": name, "state": v.e.children[name].state})
			}
			return out
		},
	}
}

func (v *view) Call(function string, args map[string]any) (any, error) {
	if function == create || function == remove {
		return nil, fmt.Errorf("%w: %s cannot be called from within a function", wire.ErrNoFunction, function)
	}
	given, err := value.Normal(args)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", wire.ErrBadRequest, err)
	}
	return v.x.call(v.e, function, given)
}

func (v *view) Parent() (environment.Tx, bool) {
	if v.e.parent == nil {
		return nil, false
	}
	return &view{v.x, v.e.parent}, true
}

func (v *view) Child(name string) (environment.Tx, bool) {
	e, ok := v.e.children[name]
	if !ok {
		return nil, false
	}
	return &view{v.x, e}, true
}

func (v *view) Children() []string { return slices.Sorted(maps.Keys(v.e.children)) }

func (v *view) Tell(t environment.Tell) error {
	if (len(t.To) == 0) == (t.Hub == "") {
		return fmt.Errorf("%w: a message goes either to agents or to a hub", wire.ErrBadRequest)
	}
	told := Told{Listener: t.Listener, Hub: t.Hub}
	for _, a := range t.To {
		if err := a.Check(); err != nil {
			return fmt.Errorf("%w: %w", wire.ErrBadRequest, err)
		}
		told.To = append(told.To, string(a))
	}
	if t.Msg.Name == "" {
		t.Msg.Name = v.e.name
	}
	var err error
	if told.Msg, err = msg.Msgpack.Encode(t.Msg); err != nil {
		return fmt.Errorf("%w: %w", wire.ErrBadRequest, err)
	}
	v.x.entry.Tells = append(v.x.entry.Tells, told)
	return nil
}

// listeners looks at the listeners whose environments the call changed, and fires those whose condition has become true.
func (x *txn) listeners() {
	if x.t.listening == 0 || len(x.entry.Ops) == 0 && len(x.called) == 0 {
		return
	}
	var listening []string
	for name, e := range x.t.envs {
		if len(e.listeners) > 0 {
			listening = append(listening, name)
		}
	}
	slices.Sort(listening)
	for _, name := range listening {
		e := x.t.envs[name]
		for _, l := range e.listeners {
			if x.concerns(e, l) && !slices.Contains(x.added, l) {
				x.look(e, l)
			}
		}
	}
}

// concerns reports whether the call did something that a listener looks at.
func (x *txn) concerns(e *env, l *listener) bool {
	if l.On != "" {
		return x.entry.writes(e.name, l.On) ||
			slices.ContainsFunc(x.called, func(c called) bool { return c.env == e && c.function == l.On })
	}
	if x.entry.writes(e.name, "") {
		return true
	}
	if e.parent != nil && l.When.Reads("parent") && x.entry.writes(e.parent.name, "") {
		return true
	}
	if !l.When.Reads("children") {
		return false
	}
	return slices.ContainsFunc(x.entry.Ops, func(o Op) bool { // also those of a child that is gone
		name := o.Env
		if name == "" {
			name = x.entry.Env
		}
		return environment.ParentOf(name) == e.name
	})
}

func (x *txn) look(e *env, l *listener) {
	v := &view{x, e}
	now := x.holds(v, l)
	fire := now && (!l.was || l.When == nil)
	if l.When != nil && now != l.was {
		x.t.edge(l, now)
		x.note(e, Op{Kind: OpEdge, Key: l.Name, Value: now})
	}
	if !fire {
		return
	}
	text := ""
	if l.Say != nil {
		var err error
		if text, err = l.Say.Render(v.scope(nil)); err != nil {
			text = err.Error()
		}
	}
	meta := map[string]any{"environment": e.name, "listener": l.Name}
	m := msg.Msg{Name: e.name, Role: msg.RoleUser, Content: msg.Text(text), Time: x.now, Metadata: meta}
	if text == "" {
		m.Content = msg.Text(l.Name)
	}
	// What a listener says is checked when it is made, and text from a state is UTF-8; only what is too long for a message
	// can be refused here.
	if err := v.Tell(environment.Tell{To: l.Tell, Hub: l.Hub, Listener: l.Name, Msg: m}); err != nil {
		m.Content = msg.Text(l.Name)
		_ = v.Tell(environment.Tell{To: l.Tell, Hub: l.Hub, Listener: l.Name, Msg: m}) // cannot be: it is short now
	}
}

// holds reports whether the condition of a listener is true; one without a result is not.
func (x *txn) holds(v *view, l *listener) bool {
	if l.When == nil {
		return true
	}
	ok, err := l.When.True(v.scope(nil))
	return err == nil && ok
}
