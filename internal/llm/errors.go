package llm

import "errors"

var (
	// ErrVersion: the payload has a version this binary does not know; the text names both.
	ErrVersion = errors.New("llm: unknown payload version")
	// ErrDamaged: the bytes are not a payload of the expected kind, or its parts do not fit together.
	ErrDamaged = errors.New("llm: damaged payload")
	// ErrTooLarge: the payload exceeds MaxCalls or MaxBytes.
	ErrTooLarge = errors.New("llm: payload too large")
)
