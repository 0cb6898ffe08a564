package scenario_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/pkg/environment"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// market is every key of every kind of environment.
const market = `
environments:
  market/left: {kind: map2d, width: 10, height: 2.5}
  market:
    state: {price: 10, open: true, book: [{who: ann, bid: 9.5}], note: "1e3", none: null}
    functions:
      trade: {args: [amount, "why?"], set: {price: "state.price + args.amount", open: true}, returns: state.price, about: moves the price}
      look: {returns: "'at ' + string(state.price)"}
    listeners:
      - {name: crash, when: state.price < 5, tell: [3, {block: second}, code.js-1.alice], say: "The price is {{state.price}}."}
      - {name: traded, on: trade, hub: floor}
      - name: everyone
        when: state.price > 20
        on: price
        tell: [all]
  talk: {kind: chatroom}
  clock: {kind: timeline, start: -1/2}
  bare: {}
`

func withEnvironments(t *testing.T, said string) string {
	t.Helper()
	return edit(t, "memory:", strings.TrimPrefix(said, "\n")+"memory:")
}

func TestEnvironments(t *testing.T) {
	s := load(t, withEnvironments(t, market), scenario.Overrides{Agents: new(8)})
	var names []string
	kinds := environment.NewRegistry()
	setups := map[string]string{}
	for _, e := range s.Environments {
		names = append(names, e.Name)
		setup, err := json.Marshal(e.Setup(3))
		require.NoError(t, err)
		setups[e.Name] = string(setup)
		require.NoError(t, environment.CheckName(e.Name))
		kind, err := kinds.Find(e.Kind)
		require.NoError(t, err)
		_, err = kind(setup)
		require.NoError(t, err, "it can be created: %s", setup)
	}
	require.Equal(t, []string{"market", "talk", "clock", "bare", "market/left"}, names, "parents come first")
	require.JSONEq(t, `{"state": {"price": 10, "open": true, "book": [{"who": "ann", "bid": 9.5}], "note": "1e3", "none": null},
		"functions": {"trade": {"args": ["amount", "why?"], "set": {"price": "state.price + args.amount", "open": "true"}, "returns": "state.price",
			"about": "moves the price"}, "look": {"args": [], "set": {}, "returns": "'at ' + string(state.price)"}},
		"listeners": [{"name": "crash", "when": "state.price < 5", "tell": ["agent.1.3", "agent.2.6", "agent.2.7", "code.js-1.alice"], "say": "The price is {{state.price}}."},
			{"name": "traded", "on": "trade", "hub": "floor"}, {"name": "everyone", "when": "state.price > 20", "on": "price",
			"tell": ["agent.0.0", "agent.0.1", "agent.0.2", "agent.1.3", "agent.1.4", "agent.1.5", "agent.2.6", "agent.2.7"]}]}`, setups["market"])
	delete(setups, "market")
	require.Equal(t, map[string]string{
		"talk": `{"keep":10000}`, "clock": `{"start":-0.5}`, "bare": `{}`, "market/left": `{"height":2.5,"width":10}`,
	}, setups)
}

func TestSchemaKnowsEnvironments(t *testing.T) {
	schema := compileSchema(t)
	require.NoError(t, validate(t, schema, withEnvironments(t, market)))
	for _, wrong := range []string{"m: {sate: {}}", "m: {kind: chat}", "m: {kind: chatroom, width: 1}", "world: {}", "m: {listeners: [{on: a, hub: h}]}"} {
		require.Error(t, validate(t, schema, withEnvironments(t, "environments:\n  "+wrong+"\n")), wrong)
	}
}

func TestEnvironmentsAreContent(t *testing.T) {
	src := withEnvironments(t, market)
	want := load(t, src, scenario.Overrides{}).Hash()
	require.NotEqual(t, want, load(t, base, scenario.Overrides{}).Hash())
	same := map[string]string{"{kind: chatroom}": "{kind: chatroom, keep: 10000}", "bare: {}": "bare: {kind: state}"}
	for from, to := range map[string]string{
		"{kind: chatroom}": "{kind: chatroom, keep: 10000}", "bare: {}": "bare: {kind: state}",
		"price: 10,": "price: 11,", "state.price < 5": "state.price < 6", "[3, {block": "[4, {block", "hub: floor": "hub: roof", "left:": "right:",
	} {
		require.Equal(t, 1, strings.Count(src, from), from)
		got := load(t, strings.Replace(src, from, to, 1), scenario.Overrides{}).Hash()
		require.Equal(t, same[from] == to, got == want, "%s -> %s", from, to)
	}
	changed := load(t, src, scenario.Overrides{Set: map[string]string{"environments.market.state.price": "11"}})
	require.Equal(t, load(t, strings.Replace(src, "price: 10,", "price: 11,", 1), scenario.Overrides{}).Hash(), changed.Hash())
}

// declared puts environments into base, the first of them on line 32.
func declared(name, said, want string) malformation {
	return malformation{name, "memory:", "environments:\n" + said + "\nmemory:", want}
}

var malformedEnvironments = []malformation{
	declared("environment that is nothing", "  market:", `f.yaml:32:3: "market" must be a mapping, not nothing`),
	declared("environment of an unknown kind", "  market: {kind: chat}",
		`f.yaml:32:18: "chat" is not one of state, chatroom, map2d, timeline`),
	declared("environment with a key of another kind", "  market: {kind: chatroom, state: {a: 1}}",
		`f.yaml:32:28: "state" is not a key of kind "chatroom"`),
	declared("environment without a kind, and with a key of another", "  market: {width: 5}",
		`f.yaml:32:12: "width" is not a key of kind "state"`),
	declared("environment with a slip", "  market: {sate: {a: 1}}", `f.yaml:32:12: unknown key "sate" >> state`),
	declared("environment inside nothing", "  market: {}\n  markt/left: {}",
		`f.yaml:33:3: "markt/left" is inside "markt", which is not declared >> market`),
	declared("environment without a name", "  market//left: {}", lines(
		`f.yaml:32:3: "market//left" is not a usable name: up to 16 names of letters, digits, _ and -, joined with /`,
		`f.yaml:32:3: "market//left" is inside "market/", which is not declared`)),
	declared("environment that is the world", "  world: {}", `f.yaml:32:3: "world" is a reserved word: it is what update.world computes`),
	declared("map with a negative edge", "  m: {kind: map2d, width: -1}", `f.yaml:32:27: "width" must be at least 0, not -1`),
	declared("chatroom that keeps nothing", "  m: {kind: chatroom, keep: 0}", `f.yaml:32:29: "keep" must be from 1 to 1000000000, not 0`),
	declared("state too deep", "  m: {state: {a: "+strings.Repeat("[", 40)+strings.Repeat("]", 40)+"}}",
		`f.yaml:32:18: "a" has a value that cannot be kept: data: msg: nested too deeply: the limit is 32`),
	declared("state with a number that is none", "  m: {state: {a: [{b: .inf}]}}", `f.yaml:32:23: .inf is not a number that can be used here`),

	declared("function that does nothing", "  m: {functions: {f: {args: [a]}}}", `f.yaml:32:22: a function sets keys, or returns something`),
	declared("function that all have", "  m: {functions: {get: {returns: state.a}}}", `f.yaml:32:19: "get" is a function that every environment has`),
	declared("expression that does not compile", "  m: {functions: {f: {set: {a: state.a + }}}}", `f.yaml:32:40: unexpected token EOF`),
	declared("expression with an unknown name", "  m: {functions: {f: {returns: 1 + stat.a}}}", `f.yaml:32:36: unknown name stat`),
	declared("expression with an unknown function", "  m: {functions: {f: {returns: \"'é' + fetch(1)\"}}}", `f.yaml:32:39: unknown name fetch`),
	declared("argument that is not declared", "  m: {functions: {f: {args: [a], returns: args.b}}}", `f.yaml:32:48: there is no argument b; there are a`),
	declared("argument that is here twice", "  m: {functions: {f: {args: [a, 'a?'], returns: args.a}}}", `f.yaml:32:33: argument "a" is here twice`),
	declared("argument that is no name", "  m: {functions: {f: {args: [a b], returns: 1}}}",
		`f.yaml:32:30: "a b" is not a usable name: letters, digits and _, starting with a letter, and ? at the end if it may be missing`),

	declared("listener without a condition", "  m: {listeners: [{name: l, tell: [all]}]}", `f.yaml:32:19: a listener needs a condition in when, or something in on`),
	declared("listener that tells nobody", "  m: {listeners: [{name: l, on: a}]}", `f.yaml:32:19: a listener tells agents or a hub`),
	declared("listener that tells agents and a hub", "  m: {listeners: [{name: l, on: a, tell: [all], hub: h}]}", `f.yaml:32:19: a listener tells agents or a hub`),
	declared("two listeners", "  m: {listeners: [{name: l, on: a, hub: h}, {name: l, on: b, hub: h}]}", `f.yaml:32:52: there are two listeners called "l"`),
	declared("condition about an argument", "  m: {listeners: [{name: l, when: args.a > 1, hub: h}]}", `f.yaml:32:40: there is no argument a`),
	declared("text with a broken expression", "  m:\n    listeners:\n      - {name: l, on: a, hub: h, say: 'It is {{state.a}} or {{state.}}.'}",
		`f.yaml:34:68: unexpected end of expression`),
	declared("text with an open brace", "  m: {listeners: [{name: l, on: a, hub: h, say: 'It is {{state.a}.'}]}", `f.yaml:32:56: {{ without }}`),
	declared("block that there is not", "  m: {listeners: [{name: l, on: a, tell: [{block: frist}]}]}", `f.yaml:32:51: there is no block "frist" >> first`),
	declared("agent that there is not", "  m: {listeners: [{name: l, on: a, tell: [1000]}]}", `f.yaml:32:43: there is no agent 1000; they are numbered from 0 to 999`),
	declared("somebody who is no agent", "  m: {listeners: [{name: l, on: a, tell: [everyone]}]}",
		`f.yaml:32:43: "everyone" is not all, {block: NAME}, the number of an agent, or an address such as code.HOST.NAME`),
	declared("somebody who is a list", "  m: {listeners: [{name: l, on: a, tell: [[1]]}]}",
		`f.yaml:32:43: this must be all, {block: NAME}, the number of an agent, or an address, not a list`),
}

func TestListenersTellSoMany(t *testing.T) {
	src := withEnvironments(t, "environments:\n  m: {listeners: [{name: l, on: a, tell: [all]}]}\n")
	load(t, src, scenario.Overrides{Agents: new(10_000)})
	_, err := scenario.Load("f.yaml", []byte(src), scenario.Overrides{Agents: new(10_001)})
	require.EqualError(t, err, "f.yaml:32:42: these are 10001 agents; a listener tells at most 10000, and a hub any number")
}
