package fakevllm

import "errors"

var (
	// ErrOptions is wrapped by the errors of New and Set.
	ErrOptions = errors.New("fakevllm: options that cannot be")

	// ErrFaults is wrapped by the errors of ParseFaults.
	ErrFaults = errors.New("fakevllm: cannot read the faults")

	// ErrStarted is returned by Start when the server listens already.
	ErrStarted = errors.New("fakevllm: the server was started before")

	// ErrNotKilled is returned by Revive when nobody killed the server, or it is closed.
	ErrNotKilled = errors.New("fakevllm: the server was not killed")
)
