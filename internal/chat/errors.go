package chat

import "errors"

// What a model call can end with, beside wire.ErrBadRequest, wire.ErrUnavailable, wire.ErrStopped and the error of its
// context.
var (
	// ErrBudget says that the run has spent what it may.
	ErrBudget = errors.New("nothing is left to spend")
	// ErrRefused says that the proxy takes no call to the model as it is described.
	ErrRefused = errors.New("the gateway refused the model call")
	// ErrRejected says that the model's server refused this one conversation.
	ErrRejected = errors.New("the model rejected the conversation")
	// ErrFailed says that the model's servers did not answer.
	ErrFailed = errors.New("the model failed")
)
