package estimate

import (
	"github.com/myriad-sim/myriad/internal/usage"
)

// Settings are what a forecast assumes where it cannot know.
type Settings struct {
	BytesPerToken   float64      `json:"bytes_per_token"`             // of prompts and of replies that are carried on; > 0
	ReplyTokens     int          `json:"reply_tokens,omitempty"`      // of every reply; 0: what max_tokens of the model allows, but no more than 100
	Repairs         float64      `json:"repairs"`                     // share of the calls of a language model after which a value is extracted or the agent asked again
	Sample          int          `json:"sample"`                      // agents of each block whose prompts are rendered; at least 2 are
	TokensPerSecond float64      `json:"tokens_per_second,omitempty"` // that one endpoint writes; 0: not known
	CallsPerSecond  float64      `json:"calls_per_second,omitempty"`  // that one endpoint answers; 0: not known
	Prices          usage.Prices `json:"-"`                           // of no model: there is no cost
}

// Forecast is what a run will take if it plays all its rounds.
type Forecast struct {
	Scenario  string   `json:"scenario"`
	Agents    int      `json:"agents"`
	Rounds    int      `json:"rounds"`
	Questions int      `json:"questions"`         // a round
	Models    []Model  `json:"models"`            // those that agents have, in file order
	Total     Amount   `json:"total"`             // of the language models
	Seconds   float64  `json:"seconds,omitempty"` // 0: not known
	Currency  string   `json:"currency,omitempty"`
	Caps      []Cap    `json:"caps,omitempty"`  // of the scenario's budget
	Notes     []string `json:"notes,omitempty"` // what it does not cover
	Assumed   Settings `json:"assumed"`
}

// Model is the part of one model.
type Model struct {
	Name      string `json:"name"`
	Provider  string `json:"provider"`
	Served    string `json:"model,omitempty"` // what a server calls it
	Agents    int    `json:"agents"`
	Endpoints int    `json:"endpoints,omitempty"`
	Amount
}

// Behavioural reports whether the model costs nothing that is known here.
func (m Model) Behavioural() bool { return m.Provider != "openai" }

// Outside reports whether a code agent plays.
func (m Model) Outside() bool { return m.Provider == "agent" }

// Amount is what calls take. Tokens and money are those of language models; a behavioural model has none.
type Amount struct {
	Calls      uint64  `json:"calls"`                  // one for each agent, question and round
	Repairs    uint64  `json:"repairs"`                // further calls, by the assumed share
	TokensIn   uint64  `json:"tokens_in"`              // likely
	Cached     uint64  `json:"tokens_cached"`          // those of TokensIn that a server with a prefix cache has read before
	TokensOut  uint64  `json:"tokens_out"`             // likely
	Upper      *uint64 `json:"tokens_upper,omitempty"` // in and out at most, as budgets set them aside; nil: nothing bounds a reply
	Micros     *uint64 `json:"micros,omitempty"`       // likely cost in millionths of the unit of money; nil: a price is not known
	UpperCosts *uint64 `json:"micros_upper,omitempty"` // at most; nil: as above
}

// WholeRun is which cap is that of all models together.
const WholeRun = "run"

// Units of caps.
const (
	UnitTokens = "tokens"
	UnitMicros = "micros" // millionths of the unit of money
)

// Verdicts on a cap.
const (
	Enough  = "enough"  // even if every call takes all it can
	Likely  = "likely"  // for the likely amount
	Short   = "short"   // not even for that
	Unknown = "unknown" // there is no price to compare with
)

// Cap is one cap of the scenario's budget beside what the run takes.
type Cap struct {
	Which   string  `json:"which"` // WholeRun, or the name of a model
	Unit    string  `json:"unit"`
	Cap     uint64  `json:"cap"`
	Likely  *uint64 `json:"likely,omitempty"` // nil: not known
	Upper   *uint64 `json:"upper,omitempty"`  // nil: not known or not bounded
	Verdict string  `json:"verdict"`
}

func (c Cap) judged() Cap {
	switch {
	case c.Likely == nil:
		c.Verdict = Unknown
	case c.Upper != nil && *c.Upper <= c.Cap:
		c.Verdict = Enough
	case *c.Likely <= c.Cap:
		c.Verdict = Likely
	default:
		c.Verdict = Short
	}
	return c
}

func (a *Amount) add(b Amount) {
	a.Calls += b.Calls
	a.Repairs += b.Repairs
	a.TokensIn += b.TokensIn
	a.Cached += b.Cached
	a.TokensOut += b.TokensOut
	a.Upper, a.Micros, a.UpperCosts = sum(a.Upper, b.Upper), sum(a.Micros, b.Micros), sum(a.UpperCosts, b.UpperCosts)
}

// sum is not known if one of its parts is not.
func sum(a, b *uint64) *uint64 {
	if a == nil || b == nil {
		return nil
	}
	return new(*a + *b)
}
