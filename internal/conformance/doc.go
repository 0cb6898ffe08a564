// Package conformance checks whether an agent, in whatever language it is written, speaks the protocol of
// docs/protocol.md. It knows nothing of the agent but its address: it sends requests, right ones and wrong ones, and looks
// at what comes back. Each check says what it is about, what was expected and what came instead.
//
// It may import pkg/msg, pkg/subjects, internal/wire (the codes of errors) and the NATS client. It does not use wire to ask:
// what it sends has to be wrong at times, and what comes back is not to be read kindly.
package conformance
