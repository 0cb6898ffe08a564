package tree_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/pkg/environment"
)

func TestBuiltIns(t *testing.T) {
	h := newHouse(t)
	_, err := h.call("", "w", "get", "k")
	require.ErrorIs(t, err, environment.ErrNoEnvironment)
	h.must("", "w", "create", nil)
	require.Nil(t, h.must("", "w", "get", m{"key": "k"}))
	h.must("", "w", "set", m{"key": "k", "value": m{"a": []any{1, 2.5}}})
	require.Equal(t, m{"a": []any{int64(1), 2.5}}, h.must("", "w", "get", "k"), "a plain argument is the first")

	require.Equal(t, m{"done": false, "value": nil}, h.must("", "w", "compare_and_set", m{"key": "c", "expect": 1, "value": 2}))
	require.Equal(t, m{"done": true, "value": int64(2)}, h.must("", "w", "compare_and_set", m{"key": "c", "value": 2}))
	require.Equal(t, m{"done": false, "value": int64(2)}, h.must("", "w", "compare_and_set", m{"key": "c", "value": 3}))
	require.Equal(t, m{"done": true, "value": nil}, h.must("", "w", "compare_and_set", m{"key": "c", "expect": 2}))
	require.Equal(t, []any{"k"}, h.must("", "w", "keys", nil))

	require.Equal(t, int64(1), h.must("", "w", "incr", "n"))
	require.Equal(t, int64(9007199254740994), h.must("", "w", "incr", m{"key": "n", "by": int64(9007199254740993)}), "exact")
	require.Equal(t, 0.5, h.must("", "w", "incr", m{"key": "f", "by": 0.5}))
	_, err = h.call("", "w", "incr", m{"key": "n", "by": int64(1) << 62})
	require.NoError(t, err)
	_, err = h.call("", "w", "incr", m{"key": "n", "by": int64(1) << 62})
	require.ErrorIs(t, err, environment.ErrBadRequest, "the sum does not fit")
	_, err = h.call("", "w", "incr", "k")
	require.ErrorIs(t, err, environment.ErrBadRequest)

	require.Equal(t, int64(1), h.must("", "w", "append", m{"key": "l", "value": "a"}))
	require.Equal(t, int64(2), h.must("", "w", "append", m{"key": "l", "value": nil}))
	_, err = h.call("", "w", "append", m{"key": "n", "value": 1})
	require.ErrorIs(t, err, environment.ErrBadRequest)
	require.Equal(t, true, h.must("", "w", "delete", "f"))
	require.Equal(t, false, h.must("", "w", "delete", "f"))
	require.Equal(t, int64(2), h.must("", "w", "query", m{"expression": "len(state.l)"}))
	require.Equal(t, int64(5), h.must("", "w", "query", m{"expression": "args.x + 1", "args": m{"x": 4}}))
	require.Equal(t, []any{"k"}, h.must("", "w", "keys", "k"))

	for function, args := range map[string]any{
		"get": m{"kye": "k"}, "set": m{"key": "k"}, "keys": m{"prefix": 3}, "query": "1 +", "delete": nil, "incr": m{"key": ""},
		"export": 1, "create": m{"kind": "nix", "config": m{"state": 1}}, "listen": m{"name": "l"},
	} {
		_, err := h.call("", "w", function, args)
		require.Error(t, err, function)
	}
	_, err = h.call("", "w", "nix", nil)
	require.ErrorIs(t, err, environment.ErrNoFunction)
	require.Equal(t, h.tree.Export("w"), h.again().Export("w"))
}

func TestCreateAndRemove(t *testing.T) {
	h := newHouse(t)
	for _, name := range []string{"", "/", "w/", "w//a", "a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q"} {
		_, err := h.call("", name, "create", nil)
		require.ErrorIs(t, err, environment.ErrBadRequest, name)
	}
	_, err := h.call("", "w/a", "create", nil)
	require.ErrorIs(t, err, environment.ErrNoEnvironment)
	h.must("", "w", "create", m{"kind": "state", "config": m{"state": m{"x": 1}}})
	h.must("", "w", "create", m{"config": m{"state": m{"x": 1}}})
	_, err = h.call("", "w", "create", m{"config": m{"state": m{"x": 2}}})
	require.ErrorIs(t, err, environment.ErrExists)
	h.must("", "w/a", "create", nil)
	h.must("", "w/a/b", "create", m{"config": m{"state": m{"y": 2}}})
	require.Equal(t, m{
		"kind": "state", "state": m{"x": int64(1)},
		"children": m{"a": m{"kind": "state", "state": m{}, "children": m{"b": m{"kind": "state", "state": m{"y": int64(2)}, "children": m{}}}}},
	}, h.must("", "w", "export", nil))
	require.Equal(t, h.tree.Export("w"), h.again().Export("w"))
	h.must("", "w/a", "remove", nil)
	_, err = h.call("", "w/a/b", "get", "y")
	require.ErrorIs(t, err, environment.ErrNoEnvironment)
	h.must("", "w", "remove", nil)
	require.False(t, h.tree.Exists())
	require.False(t, h.again().Exists())
	h.must("", "w", "create", nil)
	require.Nil(t, h.must("", "w", "get", "x"))
}

const bank = `{
	"state": {"pot": 10, "log": []},
	"functions": {
		"give": {"args": ["amount", "note?"], "about": "adds to the pot",
			"set": {"pot": "state.pot + args.amount", "last": "caller", "was": "state.pot", "note": "args.note"}, "returns": "state.pot"},
		"broken": {"set": {"pot": "state.pot + 1", "x": "state.none.y + 1"}}
	},
	"listeners": [{"name": "rich", "when": "state.pot >= 100", "tell": ["code.h.a", "agent.0.7"], "say": "{{env}} holds {{state.pot}}"}]
}`

func TestStateIsDeclaredByExpressions(t *testing.T) {
	h := newHouse(t)
	h.must("", "w", "create", m{"kind": "state", "config": jsonOf(t, bank)})
	require.Equal(t, int64(15), h.must(agent("a"), "w", "give", 5))
	require.Equal(t, "code.h.a", h.must("", "w", "get", "last"))
	require.Equal(t, int64(10), h.must("", "w", "get", "was"), "all see the state before")
	_, err := h.call("", "w", "broken", nil)
	require.ErrorIs(t, err, environment.ErrFailed)
	require.Equal(t, int64(15), h.must("", "w", "get", "pot"), "an error takes back all")
	_, err = h.call("", "w", "give", m{"amonut": 1})
	require.ErrorIs(t, err, environment.ErrBadRequest)

	h.must("", "w", "give", 84)
	require.Empty(t, h.told)
	h.must("", "w", "give", 1)
	require.Equal(t, map[string]string{"code.h.a": "w holds 100;", "agent.0.7": "w holds 100;"}, h.texts())
	h.must("", "w", "give", 1)
	require.Empty(t, h.told, "still true is no crossing")
	h.must("", "w", "give", -50)
	h.must("", "w", "give", 70)
	require.Len(t, h.told, 2)
	d, ok := h.must("", "w", "describe", nil).(m)
	require.True(t, ok)
	require.Equal(t, m{"args": []any{"amount", "note?"}, "about": "adds to the pot"}, d["functions"].(m)["give"])
}

func TestDeclarationsAreCheckedWhenMade(t *testing.T) {
	h := newHouse(t)
	for config, path := range map[string]string{
		`{"functions": {"f": {"set": {"a": "1 +"}}}}`:                             "config.functions.f.set.a: ",
		`{"functions": {"f": {"args": ["x"], "returns": "args.y"}}}`:              "config.functions.f.returns: ",
		`{"functions": {"f": {"sets": {}}}}`:                                      "config.functions.f: ",
		`{"functions": {"get": {}}}`:                                              "config.functions.get: ",
		`{"listeners": [{"name": "a", "when": "1 +", "tell": ["code.h.a"]}]}`:     "config.listeners[0].when: ",
		`{"listeners": [{"name": "a", "when": "true", "tell": ["x"]}]}`:           "config.listeners[0].tell[0]: ",
		`{"listeners": [{"name": "a", "when": "true"}]}`:                          "config.listeners[0].tell: ",
		`{"listeners": [{"when": "true", "hub": "h"}]}`:                           "config.listeners[0].name: ",
		`{"listeners": [{"name": "a", "hub": "h"}]}`:                              "config.listeners[0].when: ",
		`{"listeners": [{"name": "a", "when": "true", "hub": "h", "say": "{{"}]}`: "config.listeners[0].say: ",
		`{"state": 7}`:       "config: ",
		`{"states": {}}`:     "config: ",
		`{"state": {"": 1}}`: "config.state.: ",
	} {
		_, err := h.call("", "w", "create", m{"config": jsonOf(t, config)})
		require.ErrorIs(t, err, environment.ErrBadRequest, config)
		require.ErrorContains(t, err, path)
		require.False(t, h.tree.Exists())
	}
}

func TestChatRoom(t *testing.T) {
	h := newHouse(t)
	h.must("", "room", "create", m{"kind": "chatroom", "config": m{"keep": 3}})
	ann, bob, cy := agent("ann"), agent("bob"), agent("cy")
	_, err := h.call(ann, "room", "speak", "hello")
	require.ErrorIs(t, err, environment.ErrNotIn)
	_, err = h.call("", "room", "join", nil)
	require.ErrorIs(t, err, environment.ErrBadRequest)
	h.must(ann, "room", "join", nil)
	h.must(bob, "room", "join", m{"name": "Bob"})
	_, err = h.call(cy, "room", "join", m{"name": "ann"})
	require.ErrorIs(t, err, environment.ErrExists)
	require.Equal(t, int64(1), h.must(ann, "room", "speak", "hello, @Bob and @nobody, not @Bobby"))
	require.Equal(t, map[string]string{string(bob): "hello, @Bob and @nobody, not @Bobby;"}, h.texts())
	h.must(cy, "room", "join", nil)
	h.must(bob, "room", "speak", m{"text": "all of you", "all": true})
	require.Equal(t, map[string]string{string(ann): "all of you;", string(cy): "all of you;"}, h.texts())
	h.must(bob, "room", "speak", "@Bob himself")
	require.Empty(t, h.told, "nobody is told what they said themselves")

	texts := func(as string, args any) (out []any) {
		page, ok := h.must(agent(as), "room", "history", args).(m)
		require.True(t, ok)
		for _, e := range page["messages"].([]any) {
			out = append(out, e.(m)["text"])
		}
		return out
	}
	require.Equal(t, []any{"all of you", "@Bob himself"}, texts("cy", nil), "since it joined")
	require.Equal(t, []any{"hello, @Bob and @nobody, not @Bobby", "all of you"}, texts("ann", m{"limit": 2}))
	require.Equal(t, []any{"@Bob himself"}, texts("ann", m{"after": 2}))
	h.must(ann, "room", "speak", "4")
	require.Equal(t, []any{"all of you", "@Bob himself", "4"}, texts("ann", nil), "no more than it keeps")
	h.must(cy, "room", "leave", nil)
	_, err = h.call(cy, "room", "history", nil)
	require.ErrorIs(t, err, environment.ErrNotIn)
	require.Len(t, h.must("", "room", "members", nil), 2)
	require.Equal(t, h.tree.Export("room"), h.again().Export("room"))
}

func TestMap2D(t *testing.T) {
	h := newHouse(t)
	h.must("", "map", "create", m{"kind": "map2d", "config": m{"width": 100, "height": 50}})
	a, b := agent("a"), agent("b")
	require.Equal(t, m{"x": int64(10), "y": int64(10)}, h.must(a, "map", "place", m{"x": 10, "y": 10}))
	h.must(b, "map", "place", m{"x": 13, "y": 14})
	h.must("", "map", "place", m{"x": 90, "y": 10, "who": "well"})
	for _, args := range []any{m{"x": 101, "y": 0}, m{"x": 0, "y": -1}, m{"x": 1}, m{"x": "1", "y": 1}} {
		_, err := h.call(a, "map", "place", args)
		require.ErrorIs(t, err, environment.ErrBadRequest)
	}
	_, err := h.call("", "map", "move", m{"dx": 1, "dy": 1})
	require.ErrorIs(t, err, environment.ErrBadRequest)
	_, err = h.call(agent("z"), "map", "move", m{"dx": 1, "dy": 1})
	require.ErrorIs(t, err, environment.ErrBadRequest)
	require.Equal(t, []any{m{"who": string(b), "x": int64(13), "y": int64(14), "distance": int64(5)}}, h.must(a, "map", "nearest", nil))
	require.Len(t, h.must(a, "map", "nearest", m{"n": 5}), 2)
	require.Equal(t, []any{m{"who": "well", "x": int64(90), "y": int64(10), "distance": int64(1)}}, h.must("", "map", "within", m{"range": 5, "x": 91, "y": 10}))
	require.Len(t, h.must("", "map", "positions", nil), 3)

	// In range: once for each coming, whoever of the two moves.
	require.Equal(t, m{"inside": []any{}}, h.must("", "map", "watch", m{"name": "close", "who": string(a), "of": "well", "range": 10, "tell": []any{string(a)}, "say": "near"}))
	require.Equal(t, m{"inside": []any{string(b)}}, h.must("", "map", "watch", m{"name": "spot", "x": 13, "y": 14, "range": 4, "hub": "news"}))
	_, err = h.call("", "map", "watch", m{"name": "spot", "x": 13, "y": 14, "range": 4, "hub": "news"})
	require.ErrorIs(t, err, environment.ErrExists)
	h.must(a, "map", "move", m{"dx": 69, "dy": 0})
	require.Empty(t, h.told)
	h.must(a, "map", "move", m{"dx": 1, "dy": 0})
	require.Equal(t, map[string]string{string(a): "near;"}, h.texts())
	h.must(a, "map", "move", m{"dx": 1, "dy": 0})
	require.Empty(t, h.told)
	h.must("", "map", "place", m{"x": 100, "y": 50, "who": "well"})
	h.must("", "map", "place", m{"x": 82, "y": 10, "who": "well"})
	require.Equal(t, map[string]string{string(a): "near;"}, h.texts(), "the well came")
	h.must(a, "map", "place", m{"x": 12, "y": 14})
	require.Equal(t, map[string]string{"news": string(a) + " is in range of spot;"}, h.texts())
	h.must(b, "map", "take", nil)
	h.must(b, "map", "place", m{"x": 13, "y": 14})
	require.Len(t, h.told, 1)
	h.must("", "map", "unwatch", "spot")
	h.must(b, "map", "take", nil)
	h.must(b, "map", "place", m{"x": 13, "y": 14})
	require.Empty(t, h.told)
	require.Equal(t, h.tree.Export("map"), h.again().Export("map"))
}

func TestTimeline(t *testing.T) {
	h := newHouse(t)
	h.must("", "time", "create", m{"kind": "timeline", "config": m{"start": 5}})
	a, b := agent("a"), agent("b")
	h.must(a, "time", "subscribe", nil)
	h.must(b, "time", "subscribe", "rain")
	require.Equal(t, m{"id": int64(1), "at": int64(20)}, h.must("", "time", "schedule", m{"name": "rain", "at": 20}))
	h.must("", "time", "schedule", m{"name": "sun", "after": 5, "every": 4, "data": m{"uv": 3}})
	h.must("", "time", "schedule", m{"name": "fog", "at": 20})
	require.Equal(t, m{"id": int64(4), "at": int64(11)}, h.must("", "time", "schedule", m{"name": "snow", "at": 11}))
	h.must("", "time", "cancel", 4)
	for _, args := range []any{m{"name": "x"}, m{"name": "x", "at": 1}, m{"name": "x", "after": 1, "every": 0}, m{"name": "x", "at": 9, "after": 9}} {
		_, err := h.call("", "time", "schedule", args)
		require.ErrorIs(t, err, environment.ErrBadRequest)
	}
	names := func(args any) (out []any) {
		done, ok := h.must("", "time", "advance", args).(m)
		require.True(t, ok)
		for _, e := range done["events"].([]any) {
			out = append(out, e.(m)["name"], e.(m)["at"])
		}
		return out
	}
	require.Empty(t, names(m{"by": 4}))
	require.Equal(t, []any{"sun", int64(10)}, names(m{"to": 10}))
	require.Len(t, h.told, 1)
	require.Equal(t, []any{"sun", int64(14), "sun", int64(18), "rain", int64(20), "fog", int64(20)}, names(m{"to": 20}))
	require.Len(t, h.told, 5, "four to a, one to b")
	require.Len(t, h.must("", "time", "upcoming", nil), 1)
	require.Equal(t, int64(20), h.must("", "time", "now", nil))
	_, err := h.call("", "time", "advance", m{"to": 19})
	require.ErrorIs(t, err, environment.ErrBadRequest)
	_, err = h.call("", "time", "advance", m{"to": 1e9})
	require.ErrorIs(t, err, environment.ErrTooLarge)
	h.must(a, "time", "unsubscribe", nil)
	names(m{"to": 22})
	require.Empty(t, h.told)
	require.Equal(t, h.tree.Export("time"), h.again().Export("time"))
}

// A child works on its parent and a parent on its children, in one call; what fails takes back what it did.
func TestNesting(t *testing.T) {
	h := newHouse(t)
	h.kinds.Add("group", func([]byte) (*environment.Code, error) {
		return &environment.Code{Functions: map[string]environment.Function{
			"pay": {Args: []string{"amount"}, Do: func(tx environment.Tx, args environment.Args) (any, error) {
				parent, ok := tx.Parent()
				if !ok {
					return nil, errors.New("no parent")
				}
				if err := tx.Set("paid", args["amount"]); err != nil {
					return nil, err
				}
				if _, err := parent.Call("broken", nil); err == nil {
					return nil, errors.New("it is not broken")
				}
				return parent.Call("give", map[string]any{"amount": args["amount"]})
			}},
			"loop": {Do: func(tx environment.Tx, _ environment.Args) (any, error) { return tx.Call("loop", nil) }},
			"oops": {Do: func(tx environment.Tx, _ environment.Args) (any, error) {
				if err := tx.Set("x", 1); err != nil {
					return nil, err
				}
				return tx.Keys("")[len(tx.Keys(""))], nil // beyond the end
			}},
			"total": {Do: func(tx environment.Tx, _ environment.Args) (any, error) {
				sum := int64(0)
				for _, name := range tx.Children() {
					c, _ := tx.Child(name)
					v, _ := c.Get("paid")
					n, _ := v.(int64)
					sum += n
				}
				return sum, nil
			}},
		}}, nil
	})
	h.must("", "w", "create", m{"config": jsonOf(t, bank)})
	h.must("", "w/g", "create", m{"kind": "group"})
	h.must("", "w/g/a", "create", m{"kind": "group"})
	h.must("", "w", "listen", m{"name": "in", "when": "any(children, .state.paid > 1)", "hub": "x"})
	require.Equal(t, int64(13), h.must(agent("a"), "w/g", "pay", 3))
	require.Equal(t, map[string]string{"x": "in;"}, h.texts())
	require.Equal(t, "code.h.a", h.must("", "w", "get", "last"), "the caller stays the caller")
	require.Equal(t, int64(13), h.must("", "w", "get", "pot"), "a call that failed inside left nothing")
	_, err := h.call("", "w/g/a", "pay", 4) // its parent has no such function
	require.ErrorIs(t, err, environment.ErrNoFunction)
	require.Nil(t, h.must("", "w/g/a", "get", "paid"))
	h.must("", "w/g/a", "set", m{"key": "paid", "value": 4})
	require.Equal(t, int64(4), h.must("", "w/g", "total", nil))
	_, err = h.call("", "w/g", "loop", nil)
	require.ErrorIs(t, err, environment.ErrBadRequest)
	_, err = h.call("", "w/g", "oops", nil)
	require.ErrorIs(t, err, environment.ErrFailed)
	require.Nil(t, h.must("", "w/g", "get", "x"))
	require.Equal(t, h.tree.Export("w"), h.again().Export("w"))
}
