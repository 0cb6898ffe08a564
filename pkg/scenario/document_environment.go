package scenario

import (
	"encoding/json"
	"reflect"
	"regexp"

	"github.com/myriad-sim/myriad/pkg/msg"
)

type environmentDoc struct {
	place
	Kind word `key:"kind" enum:"state,chatroom,map2d,timeline" fill:"state" doc:"state: keys and values, with functions and listeners declared here. chatroom: members speak and read what was said. map2d: positions on a plane. timeline: events at logical times."`

	State     table[anything]    `key:"state" when:"state" doc:"The first state: any values, by key."`
	Functions table[functionDoc] `key:"functions" when:"state" doc:"What agents and programs may do with the state, beyond reading and writing keys, by name."`
	Listeners list[listenerDoc]  `key:"listeners" when:"state" doc:"Who is told when the state comes to satisfy a condition."`

	Keep whole `key:"keep" when:"chatroom" min:"1" max:"1000000000" fill:"10000" doc:"Messages that stay readable."`

	Width  number `key:"width" when:"map2d" min:"0" fill:"0" doc:"Points are from 0 to this; 0: there is no edge."`
	Height number `key:"height" when:"map2d" min:"0" fill:"0" doc:"Points are from 0 to this; 0: there is no edge."`

	Start number `key:"start" when:"timeline" fill:"0" doc:"The first time."`
}

type functionDoc struct {
	place
	Args    list[word]    `key:"args" doc:"Names of its arguments; one that ends in ? may be missing."`
	Set     table[source] `key:"set" doc:"New values by key, from the state before the call. Sees state, args, caller, now, env, parent, children."`
	Returns source        `key:"returns" doc:"What the call returns, from the state after it."`
	About   word          `key:"about" doc:"What it does, for people."`
}

type listenerDoc struct {
	place
	Name word           `key:"name" required:"true" doc:"Name of the listener."`
	When source         `key:"when" doc:"Who listens is told each time this becomes true. Sees state, now, env, parent, children. Default: at each call that on names."`
	On   word           `key:"on" doc:"A key or a function: only calls that write the one or call the other are looked at. Default: all."`
	Tell list[audience] `key:"tell" doc:"Who is told: all, {block: NAME}, numbers of agents, addresses of code agents."`
	Hub  word           `key:"hub" doc:"A hub that is told, instead of agents."`
	Say  prose          `key:"say" doc:"What they are told, with expressions in double braces, such as The price is {{state.price}}."`
}

type audienceBlockDoc struct {
	place
	Block word `key:"block" required:"true" doc:"Name of a block of agents."`
}

// environments is the mapping of environments by name, in file order.
type environments struct {
	place
	rows []row[environmentDoc]
}

var environmentPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,63}(/[A-Za-z_][A-Za-z0-9_-]{0,63}){0,15}$`)

const maxEnvironment = 200 // bytes of a name

func (t *environments) read(d *decoder, n *node, r rules) {
	if n.kind != kindMap {
		d.wrongKind(n, "a mapping", r)
		return
	}
	t.put(n)
	t.rows = make([]row[environmentDoc], len(n.entries))
	for i, e := range n.entries {
		n.name(e)
		t.rows[i].key = e.key
		if e.value.kind == kindMap && e.value.find("kind") == nil {
			e.value.put("kind", &node{kind: kindText, text: EnvironmentState, flag: e.value.flag, line: e.value.line, column: e.value.column})
		}
		d.decode(e.value, &t.rows[i].value, rules{key: e.key.text})
		switch name := e.key.text; {
		case name == "world":
			d.at(e.key, "%q is a reserved word: it is what update.world computes", name)
		case !environmentPattern.MatchString(name) || len(name) > maxEnvironment:
			d.at(e.key, "%q is not a usable name: up to 16 names of letters, digits, _ and -, joined with /", clipped(name))
		}
	}
}

func (t *environments) shape(rules) shape {
	names := shape{"pattern": environmentPattern.String(), "maxLength": maxEnvironment, "not": shape{"const": "world"}}
	return shape{"type": "object", "additionalProperties": structShape(reflect.TypeFor[environmentDoc]()), "propertyNames": names}
}

func (t *environments) element() reflect.Type { return reflect.TypeFor[environmentDoc]() }

// anything is a value that means something to its environment only.
type anything struct {
	place
	v json.RawMessage
}

func (a *anything) read(d *decoder, n *node, r rules) {
	if bad := unusable(n); bad != nil {
		d.at(bad, "%s is not a number that can be used here", clipped(bad.text))
		return
	}
	v := plainValue(n)
	if n.raw && json.Valid([]byte(n.text)) {
		v = json.RawMessage(n.text) // from a flag, where nothing says whether it is text
	}
	_, err := msg.Data([]any{v}) // which is what becomes of it
	if err == nil {
		a.v, err = json.Marshal(v)
	}
	if err != nil {
		d.at(n, "%q has a value that cannot be kept: %s", r.key, firstLine(err))
		return
	}
	a.put(n)
}

// unusable finds a number in a value that JSON has not, such as .inf.
func unusable(n *node) *node {
	if _, ok := parseRat(n.text); n.kind == kindNumber && !ok && !json.Valid([]byte(n.text)) {
		return n
	}
	for _, item := range n.items {
		if bad := unusable(item); bad != nil {
			return bad
		}
	}
	for _, e := range n.entries {
		if bad := unusable(e.value); bad != nil {
			return bad
		}
	}
	return nil
}

func (a *anything) shape(rules) shape { return shape{} }

// audience is who is told by a listener.
type audience struct {
	place
	block word // else the node is a scalar
}

func (a *audience) read(d *decoder, n *node, r rules) {
	switch {
	case n.kind == kindMap:
		var doc audienceBlockDoc
		d.decode(n, &doc, r)
		a.block = doc.Block
	case n.kind != kindText && n.kind != kindNumber:
		d.wrongKind(n, "all, {block: NAME}, the number of an agent, or an address", r)
		return
	}
	a.put(n)
}

func (a *audience) shape(rules) shape {
	return shape{"anyOf": []shape{{"type": "string", "minLength": 1}, {"type": "integer", "minimum": 0}, structShape(reflect.TypeFor[audienceBlockDoc]())}}
}
