// Package agenthost is the service that owns shards of population agents and runs them. A host announces itself in the
// bucket of hosts; when a lease gives it shards of a run it loads the population, and in every round that opens it builds
// the agents' prompts, asks their models in batches, reads the replies, and appends the answers to the run log. It also
// answers on every agent's own subject.
//
// A population agent's turn is a small state machine (turn.go), not a goroutine. It may import pkg/* and the internal
// packages below it (runlog, llm, prompt, reading, population, …); never another service.
package agenthost
