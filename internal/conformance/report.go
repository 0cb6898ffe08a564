package conformance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// ErrTarget says that a text names no agent.
var ErrTarget = errors.New("conformance: not an agent")

// Target is the agent to check. Nobody else should talk to it meanwhile: its states are compared.
type Target struct {
	Run     string
	Address subjects.Address
}

// ParseTarget reads the subject of an agent, with or without a verb, or, where a run is given, its address.
func ParseTarget(text, run string) (Target, error) {
	for _, s := range []string{text, text + "." + subjects.VerbReply} {
		if r, host, name, _, err := subjects.ParseCode(s); err == nil {
			return within(Target{r, subjects.CodeAddress(host, name)}, run)
		}
		if r, shard, agent, _, err := subjects.ParseAgent(s); err == nil {
			return within(Target{r, subjects.PopulationAddress(shard, agent)}, run)
		}
	}
	if err := subjects.Address(text).Check(); err != nil {
		return Target{}, fmt.Errorf("%w: %q; use a subject such as myriad.run.r1.code.js-1.alice, or an address such as code.js-1.alice and --run",
			ErrTarget, text)
	}
	if run == "" {
		return Target{}, fmt.Errorf("%w: %q is an address; say in which run", ErrTarget, text)
	}
	return Target{run, subjects.Address(text)}, nil
}

func within(t Target, run string) (Target, error) {
	if run != "" && run != t.Run {
		return Target{}, fmt.Errorf("%w: the subject says run %q, not %q", ErrTarget, t.Run, run)
	}
	return t, nil
}

// Subject is the request subject of one of the agent's verbs.
func (t Target) Subject(verb string) string { return subjects.At(t.Run, t.Address, verb) }

// Levels: what an agent reads.
const (
	LevelFull = "full" // JSON and msgpack
	LevelJSON = "JSON" // JSON only
	LevelNone = "none" // the agent did not answer
)

// Status is how a check ended.
type Status string

// Statuses.
const (
	Passed  Status = "passed"
	Failed  Status = "failed"
	Skipped Status = "skipped" // the agent does not offer what it is about, or it cannot be seen from outside
)

// Result is one check of one agent.
type Result struct {
	Check    string `json:"check"`
	Kind     string `json:"kind"` // see Check
	Why      string `json:"why"`
	Status   Status `json:"status"`
	Expected string `json:"expected,omitempty"` // of a failed check
	Got      string `json:"got,omitempty"`      // of a failed check; of a skipped one the reason
}

// Report is what was found about an agent.
type Report struct {
	Subject string   `json:"subject"` // without a verb
	Level   string   `json:"level"`   // one of the Level constants
	Results []Result `json:"checks"`  // in the order of Checks
}

// Count is the number of results with a status.
func (r Report) Count(s Status) (n int) {
	for _, one := range r.Results {
		if one.Status == s {
			n++
		}
	}
	return n
}

// Check describes a check. Kind is "must" for what every agent keeps, else what has to be offered for the check to count:
// "msgpack", "promises" or "call".
type Check struct{ Name, Kind, Why string }

// Checks lists the checks in the order in which they are made.
func Checks() []Check {
	out := make([]Check, len(all))
	for i, c := range all {
		out[i] = c.Check
	}
	return out
}

// Options are settings of Run. The zero value is good.
type Options struct {
	Timeout time.Duration // how long one answer may take; 0: 10 s
	slow    time.Duration // how long a promised message takes; 0: longer than a lost producer is waited for
	large   int           // bytes of a large message; 0: what the broker carries
}

// Run checks an agent. The error is that of the connection or ctx; what is wrong with the agent is in the report.
func Run(ctx context.Context, nc *nats.Conn, t Target, o Options) (Report, error) {
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if o.slow == 0 {
		o.slow = 2800 * time.Millisecond
	}
	if o.large == 0 {
		o.large = min(int(nc.MaxPayload()), msg.MaxSize) - 16<<10
	}
	p, err := newProbe(nc, t, o)
	if err != nil {
		return Report{}, err
	}
	defer p.close()
	report := Report{Subject: strings.TrimSuffix(t.Subject("x"), ".x")}
	gone := ""
	for _, c := range all {
		r := Result{Check: c.Name, Kind: c.Kind, Why: c.Why, Status: Passed}
		if gone != "" && !c.afterwards {
			r.Status, r.Got = Skipped, "the agent does not answer any more since the check "+gone
			report.Results = append(report.Results, r)
			continue
		}
		failure := c.run(ctx, p)
		if ctx.Err() != nil {
			return report, context.Cause(ctx)
		}
		if failure != nil {
			r.Status, r.Expected, r.Got = failure.status(), failure.expected, failure.got
		}
		report.Results = append(report.Results, r)
		if gone == "" && p.missed && !p.answers(ctx) {
			gone = c.Name
		}
		p.missed = false
	}
	report.Level = p.level
	return report, ctx.Err()
}

// failure is why a check did not pass. A check that could not be made has no expectation.
type failure struct{ expected, got string }

func (f *failure) status() Status {
	if f.expected == "" {
		return Skipped
	}
	return Failed
}

func fail(expected, got string, args ...any) *failure {
	return &failure{expected, fmt.Sprintf(got, args...)}
}

func skip(why string, args ...any) *failure { return &failure{got: fmt.Sprintf(why, args...)} }

// first is the first failure of several steps.
func first(steps ...func() *failure) *failure {
	for _, step := range steps {
		if f := step(); f != nil {
			return f
		}
	}
	return nil
}
