// Package conformance is what every provider of llmproxy promises to those who ask, as tests that know nothing but the
// wire: requests of internal/llm go out on subjects.Chat, results come back. Run starts a real llmproxy on a real broker
// and plays every case against a provider; those with model servers behind them also meet every fault of
// internal/fakevllm, whichever endpoints the servers have.
//
// It is for tests only. It may import services/llmproxy, internal/llm, internal/natstest, internal/fakevllm,
// internal/wire, pkg/msg, pkg/scenario and pkg/subjects.
package conformance
