package main

import (
	"context"
	"encoding/json"
	"fmt"

	forecast "github.com/myriad-sim/myriad/internal/estimate"
	"github.com/myriad-sim/myriad/internal/usage"
)

type estimateCmd struct {
	File            string  `arg:"" help:"Scenario file (YAML)." placeholder:"FILE"`
	Prices          string  `help:"Price table, as llmproxy reads it." env:"MYRIAD_LLMPROXY_PRICES" placeholder:"FILE"`
	TokensPerSecond float64 `help:"Tokens a second that each server writes, over all its calls; gives the time." placeholder:"N" xor:"rate"`
	CallsPerSecond  float64 `help:"Calls a second that each server answers; gives the time." placeholder:"N" xor:"rate"`
	ReplyTokens     int     `help:"Tokens of a reply; 0: max_tokens of the model, but no more than 100." default:"0" placeholder:"N"`
	BytesPerToken   float64 `help:"Bytes of a prompt that make a token." default:"4" placeholder:"N"`
	Repairs         float64 `help:"Share of the calls after which a value is extracted or the agent is asked again." default:"0.05" placeholder:"SHARE"`
	Sample          int     `help:"Agents of each block whose prompts are rendered." default:"32" placeholder:"N"`
	JSON            bool    `name:"json" help:"Print the forecast as JSON; money is in millionths."`
	overrideFlags
}

// Help is shown by --help.
func (estimateCmd) Help() string {
	return `Nothing is asked and no service is started: the real prompts of some agents are rendered, round by round with what the
agents remember, and counted. "Tokens at most" is what a budget sets aside for the same calls, one by one.

Examples:
  myriad estimate examples/guess-two-thirds-llm.yaml
  myriad estimate examples/guess-two-thirds-llm.yaml --agents 100000 --tokens-per-second 5000
  myriad estimate examples/guess-two-thirds-llm.yaml --prices prices.yaml --reply-tokens 250 --set budget.money=5.00
  myriad estimate examples/guess-two-thirds-llm.yaml --json | jq .total.tokens_in

A price table, per million tokens; the longest pattern that fits a model's name counts:
  currency: USD
  models:
    gpt-4o-mini: {input: 0.15, output: 0.60}
    "Qwen/*": {input: 0.05, output: 0.05}`
}

// Run prints the forecast.
func (c *estimateCmd) Run(ctx context.Context, a *app) error {
	switch {
	case c.BytesPerToken < 0.1 || c.BytesPerToken > 100:
		return fmt.Errorf("--bytes-per-token %v: want 0.1 to 100", c.BytesPerToken)
	case c.Repairs < 0 || c.Repairs > 10:
		return fmt.Errorf("--repairs %v: want 0 to 10", c.Repairs)
	case c.ReplyTokens < 0 || c.ReplyTokens > 1_000_000:
		return fmt.Errorf("--reply-tokens %d: want 0 to 1000000", c.ReplyTokens)
	case c.TokensPerSecond < 0 || c.CallsPerSecond < 0:
		return fmt.Errorf("a rate must be more than 0")
	case c.Sample < 2 || c.Sample > 100_000:
		return fmt.Errorf("--sample %d: want 2 to 100000", c.Sample)
	}
	sc, err := load(c.File, c.overrideFlags)
	if err != nil {
		return err
	}
	set := forecast.Settings{
		BytesPerToken: c.BytesPerToken, ReplyTokens: c.ReplyTokens, Repairs: c.Repairs, Sample: c.Sample,
		TokensPerSecond: c.TokensPerSecond, CallsPerSecond: c.CallsPerSecond,
	}
	if c.Prices != "" {
		if set.Prices, err = usage.LoadPrices(c.Prices); err != nil {
			return err
		}
	}
	f, err := forecast.Make(ctx, sc, set)
	if err != nil {
		return err
	}
	if c.JSON {
		e := json.NewEncoder(a.out)
		e.SetIndent("", "  ")
		return e.Encode(f)
	}
	return f.Table(a.out, newScreen(a, false).color)
}
