package scenario

import (
	"encoding/json"
	"strings"
)

type questionDoc struct {
	place
	ID     word            `key:"id" required:"true" doc:"Name of the question, as in answers.guess."`
	To     source          `key:"to" later:"true" doc:"Who is asked. Default: every agent."`
	Ask    prose           `key:"ask" required:"true" doc:"What is asked: a template over vars, world, previous, round, rounds, size, persona, self, answers."`
	Attach list[attachDoc] `key:"attach" doc:"Images and sounds that go with the question to a language model, in order."`
	Answer *answerDoc      `key:"answer" required:"true" doc:"What counts as an answer."`
}

// attachDoc is one attachment: an image or a sound.
type attachDoc struct {
	place
	Image prose `key:"image" doc:"URL of an image, http, https or data: a template with the names that ask has."`
	Audio prose `key:"audio" doc:"URL of a sound, http, https or data: a template with the names that ask has."`
}

type answerDoc struct {
	place
	Type word `key:"type" required:"true" enum:"number,choice,likert,text,json,code,tagged" doc:"number: one number. choice: one of choices. likert: a whole number from 1 to points. text: anything. json: a JSON value. code: a fenced code block. tagged: texts between tags such as <speak> and </speak>."`

	Min        source     `key:"min" when:"number" doc:"Least answer, inclusive: a number or an expression over vars, world, previous, round."`
	Max        source     `key:"max" when:"number" doc:"Greatest answer, inclusive."`
	Decimals   whole      `key:"decimals" when:"number" min:"0" max:"9" fill:"6" doc:"Digits kept after the point."`
	OutOfRange word       `key:"out_of_range" when:"number" enum:"reask,clamp" fill:"reask" doc:"An answer outside min and max is asked for again, or moved to the nearest bound."`
	Points     whole      `key:"points" when:"likert" min:"2" max:"11" fill:"5" doc:"Points of the scale."`
	Choices    list[word] `key:"choices" when:"choice" required:"true" doc:"The choices, at least two."`
	Schema     jsonSchema `key:"schema" when:"json" doc:"JSON Schema the answer must satisfy."`
	Language   word       `key:"language" when:"code" doc:"Language the code block must name, such as python. Default: any."`
	Tags       list[word] `key:"tags" when:"tagged" required:"true" doc:"Tags that must all be in a reply, each once."`

	Extract    word  `key:"extract" enum:"auto,rule,always" fill:"auto" doc:"How an answer is read from a reply: by rule; by rule and if that fails by asking the model; always by asking the model."`
	MaxRetries whole `key:"max_retries" min:"0" max:"10" fill:"2" doc:"Times an agent is asked again, with what was wrong."`
}

// Parts of the grammar that are read and checked, and then refused as not yet supported.

type groupsDoc struct {
	place
	By grouping `key:"by" required:"true" doc:"block, persona.ASPECT, or {size: N, assign: random}."`
}

type groupSizeDoc struct {
	place
	Size   whole `key:"size" required:"true" min:"1" doc:"Agents in a group."`
	Assign word  `key:"assign" enum:"random" fill:"random" doc:"How agents come into groups."`
}

type matchDoc struct {
	place
	Kind  word       `key:"kind" required:"true" enum:"pairs" doc:"How agents are matched."`
	Every word       `key:"every" enum:"round,run" doc:"How often."`
	Roles list[word] `key:"roles" doc:"Roles of the matched agents."`
	Odd   word       `key:"odd" enum:"sit-out" doc:"What an agent without partner does."`
}

type graphDoc struct {
	place
	Kind   word   `key:"kind" required:"true" enum:"small-world,ring,scale-free,file" doc:"Kind of graph."`
	Degree whole  `key:"degree" min:"1" doc:"Neighbours of an agent."`
	Rewire number `key:"rewire" when:"small-world" min:"0" max:"1" doc:"Share of connections that are rewired."`
	File   word   `key:"file" when:"file" required:"true" doc:"File with the connections."`
}

type generationsDoc struct {
	place
	Every   whole       `key:"every" required:"true" min:"1" doc:"Rounds of a generation."`
	Survive *surviveDoc `key:"survive" doc:"Who stays."`
	Inherit list[word]  `key:"inherit" doc:"State passed on."`
}

type surviveDoc struct {
	place
	Top number `key:"top" required:"true" min:"0" max:"1" doc:"Share that stays."`
	By  word   `key:"by" required:"true" doc:"State they are ranked by."`
}

type designDoc struct {
	place
	Factors    table[list[constant]] `key:"factors" required:"true" name:"true" doc:"Values of vars to compare."`
	Mode       word                  `key:"mode" enum:"between,within" doc:"Each agent sees one condition, or all."`
	Replicates whole                 `key:"replicates" min:"1" doc:"Runs of each condition."`
	Personas   word                  `key:"personas" enum:"shared,fresh" doc:"The same people in all conditions, or new ones."`
	Seeds      word                  `key:"seeds" enum:"common,fresh" doc:"The same randomness in all conditions, or new."`
}

// grouping is what groups are made by.
type grouping struct{ place }

func (g *grouping) read(d *decoder, n *node, r rules) {
	switch {
	case n.kind == kindMap:
		d.decode(n, &groupSizeDoc{}, r)
	case n.kind != kindText:
		d.wrongKind(n, "block, persona.ASPECT, or {size: N, assign: random}", r)
		return
	case n.text != "block" && !strings.HasPrefix(n.text, "persona."):
		d.at(n, "%q is not one of block, persona.ASPECT, {size: N, assign: random}", clipped(n.text))
	}
	g.put(n)
}

// deadline is how long a round waits.
type deadline struct{ place }

func (l *deadline) read(d *decoder, n *node, r rules) {
	l.put(n)
	if n.text == "none" {
		return
	}
	var s span
	if s.read(d, n, r); s.set() {
		d.at(n, "a %s other than none is not yet supported", r.key)
	}
}

// remembered is how many earlier rounds an agent sees.
type remembered struct {
	place
	turns int // -1: all
}

func (m *remembered) read(d *decoder, n *node, r rules) {
	m.put(n)
	switch n.text {
	case "all":
		m.turns = -1
		return
	case "none":
		return
	}
	most := float64(maxRounds)
	r.min, r.max = new(float64), &most
	if v := readRat(d, n, "all, none, or a number of rounds", r); v != nil {
		if !v.IsInt() {
			d.at(n, "%q must be a whole number, not %s", r.key, n.text)
			return
		}
		m.turns = int(v.Num().Int64())
	}
}

// fallback is what stands in for a missing answer.
type fallback struct {
	place
	kind  string
	value source
}

// fallbackValueDoc is a fallback with a value.
type fallbackValueDoc struct {
	place
	Value source `key:"value" required:"true" doc:"The value, over vars, world, round."`
}

func (f *fallback) read(d *decoder, n *node, r rules) {
	f.put(n)
	if n.kind == kindMap {
		var doc fallbackValueDoc
		d.decode(n, &doc, r)
		f.kind, f.value = "value", doc.Value
		return
	}
	var w word
	w.read(d, n, rules{key: r.key, enum: []string{"exclude", "previous"}})
	f.kind = w.v
}

// jsonSchema is a JSON Schema, written in YAML.
type jsonSchema struct {
	place
	v []byte
}

func (s *jsonSchema) read(d *decoder, n *node, r rules) {
	if n.kind != kindMap {
		d.wrongKind(n, "a JSON Schema", r)
		return
	}
	s.put(n)
	src, err := json.Marshal(plainValue(n))
	if err == nil {
		err = compileSchema(src)
	}
	if err != nil {
		d.at(n, "%q is not a valid JSON Schema: %s", r.key, firstLine(err))
		return
	}
	s.v = src
}
