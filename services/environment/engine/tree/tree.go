package tree

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/environment"
	"github.com/myriad-sim/myriad/pkg/environment/formula"
)

// Tree is an outermost environment with all that are nested in it. It is not safe for concurrent use.
type Tree struct {
	run   string
	kinds *environment.Registry

	envs      map[string]*env // by full name
	lacks     map[string]int  // kinds of environments here that this program has not, with how many there are
	listening int             // listeners in the tree
	outcomes  outcomes
	pending   map[Ref]*Effect
	seq       uint64    // of the last record
	at        time.Time // of it
	queries   map[string]*formula.Program
	undo      []func() // takes back, last first, what is not committed
}

type env struct {
	name, kind string
	config     []byte // JSON, nil for none
	code       *environment.Code
	state      map[string]any
	listeners  []*listener // by name
	parent     *env
	children   map[string]*env // by the last part of the name
}

type listener struct {
	*environment.Compiled
	was bool // the condition was true when it was looked at last
}

// New returns a tree of which nothing was read yet.
func New(run string, kinds *environment.Registry) *Tree {
	return &Tree{
		run: run, kinds: kinds, envs: map[string]*env{}, lacks: map[string]int{}, outcomes: outcomes{of: map[string]Outcome{}},
		pending: map[Ref]*Effect{}, queries: map[string]*formula.Program{},
	}
}

// Fixed returns a tree of one environment with a state in normal form, which is in no log. It is for reading.
func Fixed(run, name, kind string, state map[string]any, kinds *environment.Registry) *Tree {
	t := New(run, kinds)
	code, err := t.build(kind, nil)
	if err != nil {
		code = &environment.Code{}
	}
	t.add(name, kind, nil, code).state = state
	return t
}

// Export is what the function export gives of an environment, nil if it is not there. It is not to be changed, and valid
// until the tree changes.
func (t *Tree) Export(name string) any {
	if e, ok := t.envs[name]; ok {
		return exported(e)
	}
	return nil
}

// Seq is the sequence of the record the tree is at, 0 before the first.
func (t *Tree) Seq() uint64 { return t.seq }

// Exists reports whether there is any environment.
func (t *Tree) Exists() bool { return len(t.envs) > 0 }

// Lacks returns a kind in the tree that this program has not, or "". Such a tree can be read back and written on by others
// only.
func (t *Tree) Lacks() string {
	if len(t.lacks) == 0 {
		return ""
	}
	return slices.Min(slices.Collect(maps.Keys(t.lacks)))
}

// Mark is how much there is to undo.
func (t *Tree) Mark() int { return len(t.undo) }

// Undo takes back what was done since a mark.
func (t *Tree) Undo(mark int) {
	for _, back := range slices.Backward(t.undo[mark:]) {
		back()
	}
	clear(t.undo[mark:])
	t.undo = t.undo[:mark]
}

// Commit makes final what was done up to a mark: it is the record at a sequence and time, with these entries and marks. It
// returns the messages that are to be sent now. Later marks count from this one on.
func (t *Tree) Commit(mark int, seq uint64, at time.Time, entries []*Entry, marks []Ref) []*Effect {
	t.undo = slices.Delete(t.undo, 0, mark)
	t.seq, t.at = seq, at
	for _, m := range marks {
		delete(t.pending, m)
	}
	kept := 0
	for _, e := range entries {
		if e.Outcome != nil {
			kept++
		}
	}
	t.outcomes.settle(kept)
	return t.effects(seq, entries)
}

// effects keeps note of the messages that entries tell.
func (t *Tree) effects(seq uint64, entries []*Entry) []*Effect {
	var out []*Effect
	n := 0
	for _, e := range entries {
		for _, told := range e.Tells {
			for _, one := range told.each() {
				one.Ref, one.Env = Ref{seq, n}, e.Env
				t.pending[one.Ref] = one
				out = append(out, one)
				n++
			}
		}
	}
	return out
}

// Undelivered lists the messages that no record says were delivered, in order.
func (t *Tree) Undelivered() []*Effect {
	return slices.SortedFunc(maps.Values(t.pending), func(a, b *Effect) int {
		return cmp.Or(cmp.Compare(a.Ref.Seq, b.Ref.Seq), cmp.Compare(a.Ref.N, b.Ref.N))
	})
}

// Waiting is how many messages no record says were delivered.
func (t *Tree) Waiting() int { return len(t.pending) }

// IsWaiting reports whether a message is one of them.
func (t *Tree) IsWaiting(r Ref) bool { return t.pending[r] != nil }

// Now is the time to give to a call: the clock's, unless the log is ahead of it.
func (t *Tree) Now(clock time.Time) time.Time {
	clock = clock.Round(0).UTC()
	if clock.Before(t.at) {
		return t.at
	}
	return clock
}

func (t *Tree) later(back func()) { t.undo = append(t.undo, back) }

// set gives a key a value in normal form.
func (t *Tree) set(e *env, key string, v any) {
	old, had := e.state[key]
	e.state[key] = v
	t.later(func() { restore(e, key, old, had) })
}

func (t *Tree) unset(e *env, key string) bool {
	old, had := e.state[key]
	if had {
		delete(e.state, key)
		t.later(func() { restore(e, key, old, had) })
	}
	return had
}

func restore(e *env, key string, v any, had bool) {
	if had {
		e.state[key] = v
	} else {
		delete(e.state, key)
	}
}

// push appends to a list. The old list stays what it was for those who hold it: it only ends earlier.
func (t *Tree) push(e *env, key string, v any) (int, error) {
	list, ok := e.state[key].([]any)
	if _, had := e.state[key]; had && !ok {
		return 0, fmt.Errorf("%w: %s is no list", wire.ErrBadRequest, key)
	}
	next := append(list, v)
	t.set(e, key, next)
	return len(next), nil
}

// add makes an environment; code is nil if this program has not that of its kind.
func (t *Tree) add(name, kind string, config []byte, code *environment.Code) *env {
	e := &env{name: name, kind: kind, config: config, code: code, state: map[string]any{}, children: map[string]*env{}}
	if e.parent = t.envs[environment.ParentOf(name)]; e.parent != nil {
		e.parent.children[last(name)] = e
	}
	t.envs[name] = e
	t.count(e, 1)
	t.later(func() { t.drop(e) })
	return e
}

func (t *Tree) count(e *env, by int) {
	t.listening += by * len(e.listeners)
	if e.code != nil {
		return
	}
	if t.lacks[e.kind] += by; t.lacks[e.kind] == 0 {
		delete(t.lacks, e.kind)
	}
}

func (t *Tree) drop(e *env) {
	delete(t.envs, e.name)
	if e.parent != nil {
		delete(e.parent.children, last(e.name))
	}
	t.count(e, -1)
}

// remove takes away an environment and all nested in it.
func (t *Tree) remove(e *env) {
	for _, name := range slices.Sorted(maps.Keys(e.children)) {
		t.remove(e.children[name])
	}
	t.drop(e)
	t.later(func() {
		t.envs[e.name] = e
		if e.parent != nil {
			e.parent.children[last(e.name)] = e
		}
		t.count(e, 1)
	})
}

func last(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }

func (e *env) listener(name string) (int, bool) {
	return slices.BinarySearchFunc(e.listeners, name, func(l *listener, name string) int { return strings.Compare(l.Name, name) })
}

func (t *Tree) listen(e *env, c *environment.Compiled) *listener {
	l := &listener{Compiled: c}
	place, _ := e.listener(c.Name)
	old := e.listeners
	e.listeners = slices.Insert(slices.Clone(old), place, l)
	t.listening++
	t.later(func() { e.listeners = old; t.listening-- })
	return l
}

func (t *Tree) unlisten(e *env, name string) bool {
	place, found := e.listener(name)
	if found {
		old := e.listeners
		e.listeners = slices.Delete(slices.Clone(old), place, place+1)
		t.listening--
		t.later(func() { e.listeners = old; t.listening++ })
	}
	return found
}

func (t *Tree) edge(l *listener, now bool) {
	was := l.was
	l.was = now
	t.later(func() { l.was = was })
}
