package population

import "errors"

var (
	// ErrSpec: the spec cannot be drawn; the text says why.
	ErrSpec = errors.New("population: bad spec")
	// ErrVersion: the bytes were written by a version of this package whose draws or texts differ.
	ErrVersion = errors.New("population: unknown version")
	// ErrDamaged: the bytes are not an encoded population, or not all of one.
	ErrDamaged = errors.New("population: damaged")
)
