package llmproxy

import (
	"github.com/tidwall/gjson"

	"github.com/myriad-sim/myriad/internal/llm"
)

// attachmentTokens is what an image or a recording counts for under a budget, for it has no bytes that bound its tokens:
// as many as vLLM's models for images make of the largest that they take, 12,845,056 pixels of which 28 times 28 are one.
const attachmentTokens = 16384

// length is the number of bytes that a model gets to read, each a token at most, and the number of messages.
func length(messages []llm.Message) (bytes, n int) {
	for _, m := range messages {
		bytes += len(m.Content)
		if m.Parts != nil {
			bytes += attachmentTokens * len(gjson.ParseBytes(m.Parts).Array())
		}
	}
	return bytes, len(messages)
}
