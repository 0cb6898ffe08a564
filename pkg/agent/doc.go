// Package agent is for those who write agents: what an agent is, what it works with, and how others reach it.
//
// An [Agent] is an actor. It has an address, a [Memory], perhaps a state of its own ([Stateful]), and handles one message
// at a time, in the order in which they came, whoever sent them. A program that serves agents has a [Registry] of kinds:
// each makes the agents of one kind from a name and a configuration, wherever somebody asks for one.
//
// A [Client] reaches agents, wherever they are. [Client.Call] returns at once, with the promise of a message; a promise may
// be passed on like a message, to any agent, which gets the message itself once it exists. So sequential code runs in
// parallel wherever nothing depends on anything. [Client.Resolve] waits.
//
// Two kinds come with it: [Dialog], for which a language model or a script speaks, and [User], for which a person does, over
// NATS or ([UserAt]) at a terminal. An agent of one's own asks a model with [Client.Complete], and makes others hear what it
// says with [Client.Tell].
//
// Package host (pkg/host) makes programs of agents: one process, or many.
//
// It may import pkg/msg, pkg/subjects, pkg/scenario (models), internal/wire, internal/promise, internal/chat, internal/llm
// and the NATS client; never a service.
package agent
