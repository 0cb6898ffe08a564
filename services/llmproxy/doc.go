// Package llmproxy is the only room that talks to model servers. It takes batches of model calls from the bus
// (internal/llm), has them answered by the provider each model names, and sends the completions back as they exist:
//
//   - openai: any server that speaks the OpenAI chat API. This package says what a call needs and guards the keys; the
//     package fleet below it queues, batches, retries, and waits for servers that are down. Both live here and nowhere else.
//   - levelk: a behavioural player of guess-average games. Not a language model.
//   - scripted: a rule player, an expression a question. Not a language model.
//   - dummy: random numbers after a while, for benchmarks. Not a language model.
//   - agent: a code agent, which is somebody's own program on the bus (agent.go). The fleet sends its calls too.
//   - replay: what was said in an earlier run, read from the run log (replay.go). No model is asked.
//
// A request is taken or refused as busy by its head alone, on the subscription's goroutine (accept.go); what is taken is
// bounded in calls and bytes (roll.go), and for a model server also by model. A fixed number of workers read the calls,
// compute and publish. Players that read no prompt hold 16 bytes for a call that waits.
//
// No provider keeps a goroutine for a call that waits: 4,000 dummy requests are 4,000 timers, and calls to model
// servers wait in a queue that is fair between runs and between the requests of a run.
//
// What is not chat, such as embeddings and images, is passed through to a server that offers it (forward.go).
//
// No call is kept. A requester that hears nothing for three seconds asks another proxy.
//
// What runs spend is in the account of internal/usage, which is the only durable thing; the coordinators hear of models
// whose servers are all down.
//
// It may import internal/llm, internal/runlog, internal/rng, internal/expression, internal/modelserver, internal/usage, internal/reading,
// internal/control, internal/wire, internal/promise, pkg/msg, pkg/subjects and pkg/scenario; never another service.
package llmproxy
