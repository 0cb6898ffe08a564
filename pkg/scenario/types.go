package scenario

import (
	"github.com/myriad-sim/myriad/internal/expression"
	"github.com/myriad-sim/myriad/internal/template"
)

// Scenario is a parsed, validated and resolved scenario: every default is filled in, every template and
// expression is compiled, and agent blocks are resolved to ranges of agent numbers. It is immutable after Load and
// safe for concurrent use.
type Scenario struct {
	Version     int
	Name        string
	Description string
	Seed        uint64
	Rounds      int // number of rounds at most, >= 1
	Vars        expression.Vars
	Population  Population
	Models      []Model // in file order
	Game        *Game   // nil when the scenario declares no game
	Blocks      []Block // in file order; together they cover agents 0..Population.Size-1 exactly once
	Memory      Memory
	Turn        []Question // the questions of a round, in order, at least one
	Missing     Missing
	Budget      *Budget             // nil: spend what it takes
	World       []WorldUpdate       // in file order; the keys of update.world
	Stop        *expression.Program // nil: play all rounds
	Report      Report

	Environments []Environment // those that are inside others after them; nil when there are none

	scope expression.Scope
}

// Population says how many agents there are and what they are drawn from.
type Population struct {
	Size          int
	Distributions []Distribution
	Generator     string // background generator: "none" or "template"
}

// Distribution is one aspect of the population, such as education.
type Distribution struct {
	Name       string
	Categories []Category
}

// Category is one value of a distribution. Proportions of a distribution sum to 1.
type Category struct {
	Name       string
	Proportion float64
}

// Model is a named player model. Only the fields of its provider are set.
type Model struct {
	Name     string `msgpack:"name"`     // the key under models:
	Provider string `msgpack:"provider"` // openai, levelk, scripted, dummy, agent, replay

	// openai
	Endpoints   []string `msgpack:"endpoints,omitempty"` // base URLs
	Model       string   `msgpack:"model,omitempty"`     // model name sent to the server
	Temperature *float64 `msgpack:"temperature,omitempty"`
	TopP        *float64 `msgpack:"top_p,omitempty"`
	MaxTokens   int      `msgpack:"max_tokens,omitempty"`  // 0: the server's default
	Timeout     int64    `msgpack:"timeout,omitempty"`     // nanoseconds a call may take; 0: the proxy's default; agent too
	Concurrency int      `msgpack:"concurrency,omitempty"` // calls in flight per endpoint; 0: the proxy's default; agent too
	APIKeyEnv   string   `msgpack:"api_key_env,omitempty"` // environment variable read by llmproxy; "" means OPENAI_API_KEY

	Structured     string `msgpack:"structured,omitempty" json:",omitempty"`      // StructuredResponseFormat or StructuredOutputs; "" asks in words only
	ShareIdentical bool   `msgpack:"share_identical,omitempty" json:",omitempty"` // equal prompts of a run are asked once
	Hedge          bool   `msgpack:"hedge,omitempty" json:",omitempty"`           // the slowest calls are sent twice

	// dummy
	Latency int64 `msgpack:"latency,omitempty"` // nanoseconds

	// levelk
	Tau string `msgpack:"tau,omitempty"` // expression over persona and vars; a plain number is one too

	// scripted
	Answers map[string]string `msgpack:"answers,omitempty"` // question id -> expression source
	Noise   float64           `msgpack:"noise,omitempty"`   // half-width of the keyed uniform noise added to number answers

	// agent
	Host  string `msgpack:"host,omitempty" json:",omitempty"`  // stable name of the program that serves the code agent
	Agent string `msgpack:"agent,omitempty" json:",omitempty"` // the agent's name there

	// replay
	Run string `msgpack:"run,omitempty" json:",omitempty"` // the run that is played again
}

// Behavioural reports whether the model is anything but a language model that the scenario names: it has no tokens and no
// price here, and nothing extracts values from what it says.
func (m Model) Behavioural() bool { return m.Provider != "openai" }

// Outside reports whether a code agent plays: a program of somebody's own, of which only what it answers is known.
func (m Model) Outside() bool { return m.Provider == "agent" }

// Replay reports whether the model says again what was said in an earlier run, of language models or of others.
func (m Model) Replay() bool { return m.Provider == "replay" }

// Game states the facts of a known game, for behavioural players and scorecards; it is never sent to a real model.
// The programs see vars only.
type Game struct {
	Kind      string // "guess-average"
	Question  string // the question whose answers the game is about; default: the first number question
	P, Offset *expression.Program
	Low, High *expression.Program
}

// Block is a named block of consecutive agents that share a model and a system prompt.
type Block struct {
	Name         string
	First, Count int
	Model        string             // name of an entry of Models
	System       *template.Template // nil: no system message
}

// Memory says what an agent remembers of earlier rounds when it is asked again.
type Memory struct {
	Turns            int  // rounds kept; 0 none, -1 all
	Question, Answer bool // which sides of an earlier turn are kept
}

// Answer types.
const (
	TypeNumber = "number"
	TypeChoice = "choice"
	TypeLikert = "likert"
	TypeText   = "text"
	TypeJSON   = "json"
	TypeCode   = "code"   // the one fenced code block of a reply
	TypeTagged = "tagged" // <thought>…</thought> and so on, as an object of texts
)

// Ways to hold a server to the form of an answer, of Model.Structured.
const (
	StructuredResponseFormat = "response_format"    // OpenAI's response_format with a JSON Schema
	StructuredOutputs        = "structured_outputs" // vLLM's structured_outputs
)

// Question is one thing every agent is asked in a round.
type Question struct {
	ID     string
	Ask    *template.Template
	Attach []Attachment // what goes with the question, in order
	Answer AnswerSpec
}

// AnswerSpec declares the type of an answer and how a reply is read.
type AnswerSpec struct {
	Type       string
	Min, Max   *expression.Program // number: inclusive bounds over vars and world, nil: unbounded. likert: nil
	Decimals   int                 // number: digits kept after the point, 0..9, default 6
	Points     int                 // likert: 2..11, answers are 1..Points
	Choices    []string            // choice
	Schema     []byte              // json: JSON Schema, nil: any JSON value
	Language   string              `json:",omitempty"` // code: that of the block, "" any
	Tags       []string            `json:",omitempty"` // tagged: every tag that must be there, in the order they are declared
	OutOfRange string              // number: "reask" (default) or "clamp"
	Extract    string              // "auto" (default), "rule", "always"
	MaxRetries int                 // times the agent is asked again with the error, default 2
}

// Missing says what happens to an answer that could not be had.
type Missing struct {
	Then     string              // "exclude", "previous", "value"
	Value    *expression.Program // with "value": over vars, world, round
	MinValid float64             // share of valid answers below which Below applies; 0: never
	Below    string              // "pause" or "fail"
}

// WorldUpdate computes one key of the world state from the old state and this round's answers.
type WorldUpdate struct {
	Key  string
	Expr *expression.Program
}

// Budget is what a run may spend on language models, all of them together and each.
type Budget struct {
	Tokens uint64         // in and out together; 0: no cap
	Micros uint64         // millionths of the unit of money of the price table; 0: no cap
	Models map[string]Cap // by name of an entry of Models; nil when there are none
}

// Cap is what may be spent on one model; 0 is no cap.
type Cap struct {
	Tokens uint64
	Micros uint64
}

// Report asks for extra results.
type Report struct {
	Nearest   *expression.Program // winners: the answers nearest to it; nil: not asked for
	Within    float64             // winners: those at most this far from Nearest, inclusive
	HasWithin bool
}
