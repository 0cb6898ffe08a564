package bench

import "errors"

var (
	// ErrProcess: a process of a measurement failed; the text has what it wrote on stderr.
	ErrProcess = errors.New("bench: a process failed")
	// ErrOption: an option has a value that cannot be used; the text says which.
	ErrOption = errors.New("bench: bad option")
	// ErrLost: a run that was measured lost an answer or did not finish, so its figures would mean nothing.
	ErrLost = errors.New("bench: a run is not sound")
)
