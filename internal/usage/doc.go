// Package usage keeps account of what runs may spend on models and have spent: one entry a run in the JetStream bucket
// subjects.BucketUsage, which all llmproxies share, and the prices that turn tokens into money.
//
// The promise is that a budget is never exceeded by one token, with any number of llmproxies and any crash: what is not
// known to be unspent counts as spent. Each change of an entry is a compare-and-set on its revision that keeps
//
//	settled use + open slices <= cap
//
// for the run and for each model with a cap, in tokens and in micros. A writer (one incarnation of an llmproxy) takes a
// slice before anything is spent from it, grants reservations from it in memory, and settles them afterwards: settled use
// grows by what was used and the slice shrinks by as much. The slice of a writer that died stays in the entry, so its
// whole size counts as spent. A writer that is stopped, or has had no call of the run in flight for a second, gives its
// slice back.
//
// Two things are outside the promise, and are said where they happen: a server that uses more than the upper bound that
// was reserved, and calls that were in flight without a budget when a budget came.
//
// It may import internal/llm (budgets as they come with requests), pkg/subjects, the NATS client, backoff and goccy/go-yaml.
package usage
