// Package sample is an agent on nothing but a NATS client and the codec of messages, written as docs/protocol.md says, at
// the level full. It repeats what it hears and keeps a list of it. It can be told to break one rule, to see whether the
// conformance checks notice. It is for tests only.
//
// It may import pkg/msg, pkg/subjects and the NATS client.
package sample
