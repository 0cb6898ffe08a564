// Package fakevllm is a strict look-alike of a vLLM server (the OpenAI protocol as vLLM 0.19 and later speak it), for
// tests, benchmarks and for people who have no GPU. It is not a language model: what it says are random draws in the
// shape the prompt asks for.
//
// A prompt is searched for a range ("from 0 to 100", "between 1 and 7") or for choices ("…: walk, cycle, or drive?", or
// lines of a list), and two instructions are obeyed: a prompt that wants "nothing else" gets the answer alone, and one
// that quotes a reply with a line "Answer: 42" gets what that line says.
//
// It has the parts of the real server that a client can see: chat completions, single, streamed and in batches; models,
// embeddings, health and metrics; requests checked field by field and refused with vLLM's bodies; continuous batching
// with a bounded number of running sequences; a prefix cache over blocks of 16 tokens; latency per prompt token that is
// not cached and per token of output. And it fails on demand in every way that servers and networks fail: see [Fault].
//
// Where it differs from vLLM it is stricter. A field that vLLM removed (guided_json and its kin) or does not offer on
// the batch path (stream, tools) is an error here, where the real server passes over it in silence; numbers must be
// numbers, not strings that look like them; a message needs a role that exists. Log probabilities, tools and beam search
// are refused. Answers are not put into the prefix cache, and a running sequence never loses its place.
//
// The package imports the standard library and internal/rng. A [Server] is safe for concurrent use, keeps no goroutine
// for a sequence, and all it started has ended when Close returns.
package fakevllm
