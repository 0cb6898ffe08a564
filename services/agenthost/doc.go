// Package agenthost is the service that owns shards of population agents and runs them. A host announces itself in the
// bucket of hosts; when a lease gives it shards of a run it loads the population, and in every round that opens it builds
// the agents' prompts, asks their models in batches, reads the replies, and appends the answers to the run log. It also
// answers on every agent's own subject.
//
// A population agent's turn is a small state machine, not a goroutine, and nearly always no object either: it goes through
// in the columns of its batch (batch.go, columns.go), and has an item (item.go) only while its reply needs a second call. What
// is in flight is bounded by gates (gate.go), for each model on its own (dispatch.go). What agents remember is columns too
// (recall.go); rounds that are not in memory any more are read from the log (history.go).
//
// It may import pkg/* and the internal packages below it (runlog, llm, prompt, reading, population, …); never another service.
package agenthost
