package modelserver

import "github.com/myriad-sim/myriad/internal/llm"

// Params are what all conversations of a call share. They are read only and may be shared between calls. A seed is never
// sent: equal prompts would get equal answers.
type Params struct {
	Model             string
	Temperature, TopP *float64 // nil: the server's default
	MaxTokens         int      // most tokens of a completion, 0: the server's default
	NewerMaxTokens    bool     // MaxTokens goes as max_completion_tokens, the only name that newer models of OpenAI take
	ResponseFormat    []byte   // JSON value of response_format, nil: none
	StructuredOutputs []byte   // JSON value of structured_outputs, nil: none
}

// Conversation is what one completion is asked for.
type Conversation struct {
	System   string // "": no system prompt besides those in Messages
	Messages []llm.Message
}

// Completion is what the model said in one conversation.
type Completion struct {
	Text                string
	Cut                 bool // the text ended at the limit of tokens
	TokensIn, TokensOut uint32
	Served              string // name of the model that the server says it used
	// Err is an *Error about this conversation alone: Rejected if the server's content filter withheld the completion
	// (asking again is no use), Malformed if it is empty or was broken off. The tokens were spent all the same.
	Err error
}

// Batch is what the model said in the conversations of a batch, in their order. The totals are exact; the figures of the
// completions are shares of them, by length of prompt and of text, that sum to the totals. Totals of 0 mean that the
// server did not count.
type Batch struct {
	Completions         []Completion
	TokensIn, TokensOut uint64
}

// Load is what a server says about its work. Requests are conversations.
type Load struct {
	Running, Waiting float64 // conversations in progress and in the server's queue, of all its engines
	CacheUsage       float64 // share of the KV cache in use, 0 to 1, of the fullest engine
	PrefixQueries    float64 // tokens looked up in the prefix cache since the server's start
	PrefixHits       float64 // of which were found
}

// Forwarded is a response that is passed on as it came.
type Forwarded struct {
	ContentType string
	Body        []byte
}
