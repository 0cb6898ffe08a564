package remote

import "errors"

var (
	// ErrRefused: the request cannot be granted as it is; asking again does not help.
	ErrRefused = errors.New("population: request refused")
	// ErrUnavailable: bgen is not there, is too busy, or failed. The request may be repeated: a population is drawn once.
	ErrUnavailable = errors.New("population: bgen is unavailable")
	// ErrLost: bgen took the request and fell silent. The request may be repeated.
	ErrLost = errors.New("population: bgen is lost")
	// ErrNotFound: no population is stored under the hash.
	ErrNotFound = errors.New("population: not stored")
	// ErrMismatch: the population stored under the hash is another one.
	ErrMismatch = errors.New("population: stored under the wrong hash")
	// ErrPayload: a payload does not have the agreed form.
	ErrPayload = errors.New("population: bad payload")
)
