// Package actor is the host's side of code agents: it gives each a mailbox, runs its code on one message at a time, makes
// what changed durable, and brings all of it back after a crash.
//
// A [Runtime] serves the agents of one host, in all runs. Its two subscriptions put each request into the mailbox of its
// agent on the subscription's own goroutine, so the order of arrival is the order of handling. An agent has a goroutine only
// while something is in its mailbox. Handlers may wait for other agents as long as they like: there is no pool to exhaust.
//
// What changed an agent is appended to the log of its run before anybody hears of it. Each run has a journal with at most one
// record on its way; whatever finishes meanwhile goes into the next one. The log says everything: memory, exported state,
// outcomes by request id, results of calls, and how far each agent has heard each hub. A runtime that starts again under the
// same host id reads it, from the last checkpoint on, and goes on. Two at once cannot: the append is a compare-and-set, and the one that loses stops.
//
// It may import pkg/agent, pkg/msg, pkg/subjects, internal/promise, internal/runlog, internal/checkpoint, internal/wire, internal/bus and the NATS
// client; never a service.
package actor
