package expression

import (
	"maps"
	"slices"
)

// Scope is what a source text may name. The maps and slices are only read, while compiling.
type Scope struct {
	Vars      Vars
	World     []string            // keys of the world state
	Persona   []string            // aspects of an agent's persona
	Questions map[string]string   // question id -> answer type: number, choice, likert, text, json
	Choices   map[string][]string // choice question id -> its choices in order
}

// Use is the place an expression stands in. It decides what the expression sees and what it must give.
type Use uint8

// The places. All see vars.
const (
	UseUpdate   Use = iota // a world update: world previous answers round size -> number
	UseStop                // a stop rule: world previous round -> true or false
	UseBound               // an answer bound: world previous round -> number
	UsePersona             // a parameter of a behavioural player: persona -> number
	UseScripted            // a rule player's answer: world previous round persona self -> number or text
	UseWinner              // the winners rule: world previous answers round size -> number
)

type useSpec struct {
	name  string
	roots []string
	want  []kind
}

var uses = [...]useSpec{
	UseUpdate:   {"an update", []string{"vars", "world", "previous", "answers", "round", "size"}, []kind{number}},
	UseStop:     {"a stop rule", []string{"vars", "world", "previous", "round"}, []kind{truth}},
	UseBound:    {"a bound", []string{"vars", "world", "previous", "round"}, []kind{number}},
	UsePersona:  {"a player's parameter", []string{"vars", "persona"}, []kind{number}},
	UseScripted: {"a scripted answer", []string{"vars", "world", "previous", "round", "persona", "self"}, []kind{number, text, mixed}},
	UseWinner:   {"the winners rule", []string{"vars", "world", "previous", "answers", "round", "size"}, []kind{number}},
}

var (
	allRoots = []string{"vars", "world", "previous", "answers", "round", "size", "persona", "self"}
	// Words the scenario grammar keeps for parts that do not exist yet.
	laterRoots = []string{"group", "groups", "partner", "neighbours"}
)

// kind is the static type of an expression.
type kind uint8

const (
	number kind = iota
	text
	truth
	mixed // a number or a text, known only when run
)

func (k kind) String() string {
	return [...]string{"a number", "text", "true or false", "a number or text"}[k]
}

func (v Value) staticKind() kind {
	return [...]kind{valueText: text, valueNumber: number, valueTruth: truth}[v.kind]
}

func (s Scope) varNames() []string { return slices.Sorted(maps.Keys(s.Vars)) }

func (s Scope) questionNames() []string { return slices.Sorted(maps.Keys(s.Questions)) }
