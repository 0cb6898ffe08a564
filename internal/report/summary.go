package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/myriad-sim/myriad/internal/stats"
)

// Version is the version of the format of summary.json. It grows when a field changes its meaning or goes away.
const Version = 1

// Summary is the object of summary.json. Its keys and their order are part of the format.
type Summary struct {
	Run          string     `json:"run"`
	Scenario     string     `json:"scenario"` // its name
	Seed         uint64     `json:"seed"`
	ResultHash   string     `json:"result_hash"` // hexadecimal; of the rounds so far if the run did not finish
	Receipt      Receipt    `json:"receipt"`
	Rounds       []Round    `json:"rounds"` // closed rounds, in order
	Version      int        `json:"version"`
	State        string     `json:"state"`       // created, running, paused, finished, failed or cancelled
	StopReason   string     `json:"stop_reason"` // why no further round was played
	Agents       int        `json:"agents"`
	Started      time.Time  `json:"started"`
	Finished     *time.Time `json:"finished"`      // null while it may go on
	Seconds      float64    `json:"seconds"`       // from created to finished, or to the last closed round
	ReadySeconds float64    `json:"ready_seconds"` // from created to the first round opened: placing and loading all agents; 0 before
	Models       []Model    `json:"models"`
	Questions    []Question `json:"questions"` // in the order they are asked
	Fork         *Fork      `json:"fork,omitempty"`
}

// Fork says that the first rounds of a run are those of another, which it goes on from. The receipt does not count them.
type Fork struct {
	Run   string `json:"run"`
	Round int    `json:"round"` // the last of them; 0: none, only the scenario is that of Run
}

// Own are the rounds that the run itself has played.
func (s Summary) Own() []Round {
	if s.Fork == nil {
		return s.Rounds
	}
	return s.Rounds[min(s.Fork.Round, len(s.Rounds)):]
}

// Inherited says in a sentence which rounds are those of another run; "" if none are.
func (s Summary) Inherited() string {
	switch {
	case s.Fork == nil:
		return ""
	case s.Fork.Round == 0:
		return fmt.Sprintf("The scenario is that of run %s; no round is.", s.Fork.Run)
	case s.Fork.Round == 1:
		return fmt.Sprintf("Round 1 is that of run %s.", s.Fork.Run)
	}
	return fmt.Sprintf("Rounds 1 to %d are those of run %s.", s.Fork.Round, s.Fork.Run)
}

// Ready says in a line how long it took until all agents could be asked.
func (s Summary) Ready() string {
	return fmt.Sprintf("%s ready in %s s", plural(s.Agents, "agent"), seconds(s.ReadySeconds))
}

// Model says who played.
type Model struct {
	Name        string `json:"name"`
	Provider    string `json:"provider"`
	Behavioural bool   `json:"behavioural"` // a behavioural or mechanical player, not a language model
	Note        string `json:"note"`        // one sentence for readers; may be empty
	Agents      int    `json:"agents"`      // agents it speaks for
}

// outside reports whether a code agent played, of which only the answers are known here.
func (m Model) outside() bool { return m.Provider == "agent" }

// replayed reports whether what was said in an earlier run was said again.
func (m Model) replayed() bool { return m.Provider == "replay" }

// Answer types of a Question.
const (
	TypeNumber = "number"
	TypeChoice = "choice"
	TypeLikert = "likert"
	TypeText   = "text"
	TypeJSON   = "json"
	TypeCode   = "code"
	TypeTagged = "tagged"
)

// Question describes a question of the turn.
type Question struct {
	ID       string   `json:"id"`
	Type     string   `json:"type"`
	Decimals int      `json:"decimals"`          // digits kept of a number
	Points   int      `json:"points,omitempty"`  // likert: answers are 1..Points
	Choices  []string `json:"choices,omitempty"` // choice
	Ask      string   `json:"ask"`               // template
}

// labels names the categories of a choice or likert question; it is nil for others.
func (q Question) labels() []string {
	switch q.Type {
	case TypeChoice:
		return q.Choices
	case TypeLikert:
		out := make([]string, q.Points)
		for i := range out {
			out[i] = fmt.Sprint(i + 1)
		}
		return out
	}
	return nil
}

// Round is the outcome of a closed round.
type Round struct {
	Round     int                `json:"round"`
	Seconds   float64            `json:"seconds"` // opened to closed
	Calls     int                `json:"calls"`   // model calls behind the accepted answers
	Retries   int                `json:"retries"` // transport retries among them
	TokensIn  int                `json:"tokens_in"`
	TokensOut int                `json:"tokens_out"`
	World     map[string]float64 `json:"world"`     // after the round
	Questions map[string]Outcome `json:"questions"` // by question id
}

// Outcome is what came of a question in a round. Figures are null where there are none: for texts and choices, without
// a valid answer, for the spread of a single answer, for a mode when nothing repeats, and where no winners were asked for.
type Outcome struct {
	Answers       int      `json:"answers"`
	Valid         int      `json:"valid"`
	Extracted     int      `json:"extracted"`
	Repaired      int      `json:"repaired"`
	Refused       int      `json:"refused"`
	Fallback      int      `json:"fallback"`
	Missing       int      `json:"missing"`
	Mean          *float64 `json:"mean"`
	Min           *float64 `json:"min"`
	Max           *float64 `json:"max"`
	Std           *float64 `json:"std"`
	Median        *float64 `json:"median"`
	Mode          *float64 `json:"mode"`
	Target        *float64 `json:"target"`           // what winners are nearest to
	Nearest       *int     `json:"nearest"`          // answers that tie for nearest
	NearestAgents []int    `json:"nearest_agents"`   // the first of them, at most ten
	Within        *int     `json:"within"`           // answers within the distance the scenario asks for
	Counts        []int    `json:"counts,omitempty"` // valid answers by choice or by point
}

// NewOutcome takes over the counts and figures of s.
func NewOutcome(s stats.Summary) Outcome {
	o := Outcome{
		Answers: s.Answers, Valid: s.Valid, Extracted: s.Extracted, Repaired: s.Repaired,
		Refused: s.Refused, Fallback: s.Fallback, Missing: s.Missing,
	}
	if s.HasNumbers {
		o.Mean, o.Min, o.Max, o.Median, o.Mode = &s.Mean, &s.Min, &s.Max, &s.Median, s.Mode
		if s.Valid > 1 {
			o.Std = &s.Std
		}
	}
	return o
}

// Histogram counts the valid answers to a question in bins of equal width over [Lo, Hi].
type Histogram struct {
	Lo     float64
	Hi     float64
	Counts []int
}

// Data is a run as the page and the text histograms show it.
type Data struct {
	Summary    Summary
	Histograms []map[string]Histogram // by position in Summary.Rounds and question id; number questions only
	Personas   []Persona
	File       string // where the scenario came from; may be empty
	Source     string // the scenario as it was read
	Reproduce  string // command line that plays the run again
	Played     []Span // when the rounds were played, by position in Summary.Rounds; may be empty
}

// histogram returns the histogram of a question in the round at position i, with no bins if there is none.
func (d Data) histogram(i int, question string) Histogram {
	if i >= len(d.Histograms) {
		return Histogram{}
	}
	return d.Histograms[i][question]
}

// WriteJSON writes the summary as indented JSON and a newline. It returns ErrNotFinite if a figure is NaN or infinite,
// which JSON cannot say.
func WriteJSON(w io.Writer, s Summary) error {
	// Lists are never null.
	s.Rounds, s.Models, s.Questions = orEmpty(s.Rounds), orEmpty(s.Models), orEmpty(s.Questions)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(s)
	if unsupported, ok := errors.AsType[*json.UnsupportedValueError](err); ok {
		return fmt.Errorf("%w: %s", ErrNotFinite, unsupported.Str)
	}
	if err != nil {
		return fmt.Errorf("report: write summary: %w", err)
	}
	return nil
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
