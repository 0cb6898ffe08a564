package lifecycle

import "errors"

var (
	// ErrStart says that a service did not start; those before it are stopped again.
	ErrStart = errors.New("service did not start")
	// ErrFailed says that a running service reported a failure.
	ErrFailed = errors.New("service failed")
	// ErrStop says that a service reported an error while stopping.
	ErrStop = errors.New("service did not stop cleanly")
	// ErrStopTimeout says that a service was still stopping when the time was up.
	ErrStopTimeout = errors.New("service did not stop in time")
	// ErrState says that a group was used out of order, such as started twice.
	ErrState = errors.New("group used out of order")
)
