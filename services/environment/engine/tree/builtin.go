package tree

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/environment"
	"github.com/myriad-sim/myriad/pkg/environment/formula"
	"github.com/myriad-sim/myriad/pkg/environment/value"
)

// Functions that are about an environment and not of one.
const (
	create = "create"
	remove = "remove"
)

type builtin struct {
	args  []string
	about string
	reads bool // changes nothing
	do    func(v *view, args environment.Args) (any, error)
}

// names are the functions of every environment, and builtinOf what they are. They are a promise to programs in other
// languages.
var names = []string{
	"append", "compare_and_set", create, "delete", "describe", "export", "get", "incr", "keys", "listen", "query", remove, "set",
	"unlisten",
}

func builtinOf(name string) (b builtin, ok bool) {
	switch name {
	case "get":
		b = builtin{[]string{"key"}, "the value of a key, nothing if there is none", true, get}
	case "set":
		b = builtin{[]string{"key", "value"}, "gives a key a value; null deletes it", false, set}
	case "compare_and_set":
		b = builtin{[]string{"key", "expect?", "value?"}, "set if the key has the value expect; returns {done, value}", false, compareAndSet}
	case "incr":
		b = builtin{[]string{"key", "by?"}, "adds to a number, which begins as 0; returns the sum", false, incr}
	case "append":
		b = builtin{[]string{"key", "value"}, "appends to a list, which begins empty; returns its length", false, push}
	case "delete":
		b = builtin{[]string{"key"}, "removes a key; returns whether it was there", false, del}
	case "keys":
		b = builtin{[]string{"prefix?"}, "lists the keys", true, keys}
	case "query":
		b = builtin{[]string{"expression", "args?"}, "the value of an expression", true, query}
	case "export":
		b = builtin{nil, "the state with those of all environments inside", true, export}
	case "describe":
		b = builtin{nil, "what can be done here", true, describe}
	case create:
		b = builtin{[]string{"kind?", "config?"}, "makes this environment", false, nil}
	case remove:
		b = builtin{nil, "removes this environment and all inside", false, removeEnv}
	case "listen":
		b = builtin{[]string{"name", "when?", "on?", "tell?", "hub?", "say?"},
			"adds a listener; returns whether its condition is true now", false, listen}
	case "unlisten":
		b = builtin{[]string{"name"}, "removes a listener", false, unlisten}
	default:
		return b, false
	}
	return b, true
}

// Reads reports whether a function of that name is built in and changes nothing.
func Reads(function string) bool {
	b, _ := builtinOf(function)
	return b.reads
}

func get(v *view, args environment.Args) (any, error) {
	key, err := args.Text("key")
	if err != nil {
		return nil, err
	}
	return v.e.state[key], nil
}

func set(v *view, args environment.Args) (any, error) {
	key, err := args.Text("key")
	if err != nil {
		return nil, err
	}
	return nil, v.Set(key, args["value"])
}

func compareAndSet(v *view, args environment.Args) (any, error) {
	key, err := args.Text("key")
	if err != nil {
		return nil, err
	}
	if have := v.e.state[key]; !value.Equal(have, args["expect"]) {
		return map[string]any{"done": false, "value": have}, nil
	}
	return map[string]any{"done": true, "value": args["value"]}, v.Set(key, args["value"])
}

func incr(v *view, args environment.Args) (any, error) {
	key, err := args.Text("key")
	if err != nil {
		return nil, err
	}
	have, by := v.e.state[key], args["by"]
	if have == nil {
		have = int64(0)
	}
	if by == nil {
		by = int64(1)
	}
	sum, err := add(have, by)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	if err := v.Set(key, sum); err != nil {
		return nil, err
	}
	return v.e.state[key], nil
}

// add adds numbers: whole ones exactly, others as floats.
func add(a, b any) (any, error) {
	x, whole := a.(int64)
	y, too := b.(int64)
	if whole && too {
		if y > 0 && x > math.MaxInt64-y || y < 0 && x < math.MinInt64-y {
			return nil, fmt.Errorf("%w: %d and %d: the sum does not fit", wire.ErrBadRequest, x, y)
		}
		return x + y, nil
	}
	f, err := environment.Args{"value": a}.Number("value")
	if err != nil {
		return nil, err
	}
	g, err := environment.Args{"by": b}.Number("by")
	if err != nil {
		return nil, err
	}
	return f + g, nil
}

func push(v *view, args environment.Args) (any, error) {
	key, err := args.Text("key")
	if err != nil {
		return nil, err
	}
	return v.Append(key, args["value"])
}

func del(v *view, args environment.Args) (any, error) {
	key, err := args.Text("key")
	if err != nil {
		return nil, err
	}
	return v.Delete(key), nil
}

func keys(v *view, args environment.Args) (any, error) {
	prefix, err := args.Text("prefix")
	if err != nil {
		return nil, err
	}
	return v.Keys(prefix), nil
}

func query(v *view, args environment.Args) (any, error) {
	source, err := args.Text("expression")
	if err != nil {
		return nil, err
	}
	given, ok := args["args"].(map[string]any)
	if !ok && args["args"] != nil {
		return nil, fmt.Errorf("%w: args: a map is wanted", wire.ErrBadRequest)
	}
	p, err := v.x.t.compiled(source)
	if err != nil {
		return nil, err
	}
	return v.Eval(p, given)
}

// maxQueries is how many queries a tree keeps compiled, which takes longer than most take to run.
const maxQueries = 256

func (t *Tree) compiled(source string) (*formula.Program, error) {
	if p, ok := t.queries[source]; ok {
		return p, nil
	}
	p, err := formula.Compile(source, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", wire.ErrBadRequest, err)
	}
	if len(t.queries) >= maxQueries {
		clear(t.queries)
	}
	t.queries[source] = p
	return p, nil
}

func export(v *view, _ environment.Args) (any, error) { return exported(v.e), nil }

func exported(e *env) map[string]any {
	children := map[string]any{}
	for name, c := range e.children {
		children[name] = exported(c)
	}
	return map[string]any{"kind": e.kind, "state": e.state, "children": children}
}

func describe(v *view, _ environment.Args) (any, error) {
	d := environment.Description{
		Name: v.e.name, Kind: v.e.kind, Functions: map[string]environment.Declared{}, Children: v.Children(),
		Listeners: []environment.Listener{},
	}
	for _, name := range names {
		b, _ := builtinOf(name)
		d.Functions[name] = environment.Declared{Args: b.args, About: b.about}
	}
	for name, f := range v.e.code.Functions {
		d.Functions[name] = environment.Declared{Args: f.Args, About: f.About}
	}
	for _, l := range v.e.listeners {
		d.Listeners = append(d.Listeners, l.Listener)
	}
	return d, nil
}

func removeEnv(v *view, _ environment.Args) (any, error) {
	v.x.t.remove(v.e)
	v.x.note(v.e, Op{Kind: OpRemove})
	return nil, nil
}

// create makes the environment that a call names.
func (x *txn) create(c *Call) error {
	if err := environment.CheckName(c.Env); err != nil {
		return err
	}
	b, _ := builtinOf(create)
	args, err := bind(b.args, c.Args)
	if err != nil {
		return fmt.Errorf("%s: %w", create, err)
	}
	kind, err := args.Text("kind")
	if err != nil {
		return err
	}
	if kind == "" {
		kind = "state"
	}
	var config []byte
	if args.Has("config") {
		if config, err = json.Marshal(args["config"]); err != nil {
			return fmt.Errorf("%w: config: %w", wire.ErrBadRequest, err)
		}
	}
	if e, ok := x.t.envs[c.Env]; ok {
		if e.kind != kind || string(e.config) != string(config) {
			return fmt.Errorf("%w: environment %s is of kind %s", wire.ErrExists, c.Env, e.kind)
		}
		return nil
	}
	if parent := environment.ParentOf(c.Env); parent != "" && x.t.envs[parent] == nil {
		return fmt.Errorf("%w: %q, to make %q in", wire.ErrNoEnvironment, parent, c.Env)
	}
	if lacking := x.t.Lacks(); lacking != "" {
		return &LackError{lacking}
	}
	code, err := x.t.build(kind, config)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(code.Functions)) {
		if _, taken := builtinOf(name); taken {
			return fmt.Errorf("%w: config.functions.%s: every environment has a function of that name", wire.ErrBadRequest, name)
		}
	}
	e := x.t.add(c.Env, kind, config, code)
	x.note(e, Op{Kind: OpCreate, Key: kind, Data: config})
	return x.begin(e, code)
}

// begin makes the first state of an environment and its first listeners.
func (x *txn) begin(e *env, code *environment.Code) error {
	v := &view{x, e}
	if code.Init != nil {
		if _, err := guarded(func() (any, error) { return nil, code.Init(v) }); err != nil {
			return err
		}
	}
	for _, l := range code.Listeners {
		if _, err := x.listen(e, l); err != nil {
			return fmt.Errorf("listener %s: %w", l.Name, err)
		}
	}
	return nil
}

func listen(v *view, args environment.Args) (any, error) {
	raw, err := json.Marshal(args)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", wire.ErrBadRequest, err)
	}
	var l environment.Listener
	if err := json.Unmarshal(raw, &l); err != nil {
		return nil, fmt.Errorf("%w: %w", wire.ErrBadRequest, err)
	}
	now, err := v.x.listen(v.e, l)
	return map[string]any{"true": now}, err
}

// maxListeners is how many one environment may have: each is looked at after each call that concerns it.
const maxListeners = 1000

func (x *txn) listen(e *env, l environment.Listener) (now bool, err error) {
	c, err := l.Compile()
	if err != nil {
		return false, err
	}
	raw, err := json.Marshal(l)
	if err != nil {
		return false, fmt.Errorf("%w: %w", wire.ErrBadRequest, err)
	}
	if place, found := e.listener(l.Name); found {
		old := e.listeners[place]
		if same, _ := json.Marshal(old.Listener); string(same) != string(raw) {
			return false, fmt.Errorf("%w: listener %s", wire.ErrExists, l.Name)
		}
		return old.was, nil
	}
	if len(e.listeners) >= maxListeners {
		return false, fmt.Errorf("%w: %d listeners are the limit", wire.ErrTooLarge, maxListeners)
	}
	added := x.t.listen(e, c)
	x.added = append(x.added, added)
	x.note(e, Op{Kind: OpListen, Data: raw})
	if added.When != nil && x.holds(&view{x, e}, added) {
		x.t.edge(added, true)
		x.note(e, Op{Kind: OpEdge, Key: l.Name, Value: true})
	}
	return added.was, nil
}

func unlisten(v *view, args environment.Args) (any, error) {
	name, err := args.Text("name")
	if err != nil {
		return nil, err
	}
	if !v.x.t.unlisten(v.e, name) {
		return nil, fmt.Errorf("%w: there is no listener %.100q", wire.ErrBadRequest, name)
	}
	v.x.note(v.e, Op{Kind: OpUnlisten, Key: name})
	return nil, nil
}
