// Package estimate says before a run what it will take: calls, tokens, money and time. It renders the prompts of some agents
// of each block, round by round, and asks nobody.
//
// It may import pkg/scenario, internal/prompt, internal/population, internal/template and internal/usage.
package estimate
