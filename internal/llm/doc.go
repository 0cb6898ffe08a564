// Package llm is the contract between those who want model calls (agent hosts) and the llmproxy: the payloads that pass
// between them, and the codec for those payloads. It calls no model itself.
//
// Payloads are msgpack arrays that carry a version. Fields are only ever appended, so a reader takes missing fields as
// zero and skips fields it does not know; an unknown version is refused by name. Any msgpack library can write and read
// them: the codec here is hand-written only because a million calls pass through it in a round.
//
// It imports the standard library only.
package llm
