// Package gateway measures llmproxy beside clients that do without it: how many completions a second go through it, to
// servers with a batch endpoint and without one, and through the design it stands for, a NATS request for each call; what
// it adds to the time of a call; how many calls it holds in flight, and in how much memory; and what it gains by sending
// equal prompts to the same server.
//
// The gateway, the broker, the servers and whoever asks are processes of their own, as in a real deployment, on one
// machine, whose cores they share. The servers are look-alikes (internal/fakevllm). Child is what those who ask run
// inside. A measurement that loses a call, or has one answered twice, is an error.
//
// It may import internal/bench, internal/fakevllm, internal/llm, internal/modelserver, internal/rng and pkg; it never builds a stack or a service itself.
package gateway
