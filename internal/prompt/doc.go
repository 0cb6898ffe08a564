// Package prompt builds the messages an agent sends: its block's system prompt, what it remembers of earlier rounds, and
// the question with its attachments. The agent host and `myriad preview` both use it, so what a preview shows is what is sent.
//
// It may import pkg/scenario, internal/template, internal/population and internal/llm; it knows no NATS.
package prompt
