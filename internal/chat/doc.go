// Package chat asks a model through the llmproxy: one conversation in, one completion out. It is for those who wait for
// each answer; who asks for many agents at once sends batches of his own (services/agenthost).
//
// All calls of a [Caller] share one inbox subscription. A call whose proxy falls silent goes out again, as does one that
// meets a proxy that is busy; what only another conversation, another model or more money could change is an error.
//
// It may import internal/llm, internal/wire (error values), pkg/scenario (what a model is), pkg/subjects and the NATS client.
package chat
