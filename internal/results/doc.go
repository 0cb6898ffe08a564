// Package results turns the run log into what people read: it builds the summary of a run from its control records, what
// the run has cost from its usage account, and its rows from its answer records, some at a time. The command line and the coordinator's HTTP API both use it.
//
// It may import internal/runlog, internal/report, internal/population, internal/reading, internal/llm, internal/usage, backoff and the
// NATS client.
package results
