package llmproxy

import "errors"

var (
	// ErrConfig: a setting has a value that cannot work; the text names its variable.
	ErrConfig = errors.New("llmproxy: bad configuration")
	// ErrStarted: Start was called twice.
	ErrStarted = errors.New("llmproxy: already started")
)

// What a request can be refused for, besides the errors of internal/llm. Requesters read the text.
var (
	errModel    = errors.New("bad model")
	errEndpoint = errors.New("endpoint not allowed")
	errProvider = errors.New("unknown provider")
	errFacts    = errors.New("bad facts")

	errNoSource = errors.New("there is no such run to replay")
	errItself   = errors.New("a run cannot replay itself")
	errUnsaid   = errors.New("nothing to replay was recorded")
)
