package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/myriad-sim/myriad/internal/conformance"
)

type conformanceCmd struct {
	Agent   string        `arg:"" name:"subject" help:"Subject of the agent, without a verb; or its address, with --run." placeholder:"SUBJECT"`
	RunID   string        `name:"run" help:"The run in which the agent is checked; any name will do." placeholder:"RUN"`
	Timeout time.Duration `help:"How long one answer may take." default:"10s"`
	JSON    bool          `name:"json" help:"Print the report as JSON."`
	dataFlags
}

// Help is shown by --help.
func (conformanceCmd) Help() string {
	return `Checks whether an agent, in whatever language it is written, speaks the protocol of docs/protocol.md. The agent gets some
sixty requests, wrong ones among them, and remembers them: use a run that nothing else happens in. Exit code 1 says that a
check failed.

Examples (a stack runs: myriad up):
  myriad conformance myriad.run.r1.code.js-1.alice
  myriad conformance code.js-1.alice --run try-1
  myriad conformance code.js-1.alice --run try-2 --server nats://127.0.0.1:4222 --json`
}

// Run checks the agent.
func (c *conformanceCmd) Run(ctx context.Context, a *app) error {
	target, err := conformance.ParseTarget(c.Agent, c.RunID)
	if err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "conformance: "))
	}
	nc, done, err := c.connect(ctx, a)
	if err != nil {
		return err
	}
	defer done()
	report, err := conformance.Run(ctx, nc, target, conformance.Options{Timeout: c.Timeout})
	if err != nil {
		return err
	}
	if c.JSON {
		enc := json.NewEncoder(a.out)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		err = enc.Encode(report)
	} else {
		err = printConformance(a.out, report)
	}
	if err == nil && report.Count(conformance.Failed) > 0 {
		err = exitCode{code: 1}
	}
	return err
}

// printConformance prints a line for each check, and for those that did not pass what there is to say.
func printConformance(out io.Writer, r conformance.Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Checking %s\n\n", r.Subject)
	for _, c := range r.Results {
		word := map[conformance.Status]string{conformance.Passed: "pass", conformance.Failed: "FAIL", conformance.Skipped: "skip"}[c.Status]
		fmt.Fprintf(&b, "  %s  %-18s %s\n", word, c.Check, c.Why)
		switch c.Status {
		case conformance.Failed:
			fmt.Fprintf(&b, "        expected: %s\n        got:      %s\n", c.Expected, c.Got)
		case conformance.Skipped:
			fmt.Fprintf(&b, "        %s\n", c.Got)
		}
	}
	fmt.Fprintf(&b, "\n%d passed, %d failed, %d skipped. Level: %s\n",
		r.Count(conformance.Passed), r.Count(conformance.Failed), r.Count(conformance.Skipped), r.Level)
	_, err := io.WriteString(out, b.String())
	return err
}
