package hub

import "github.com/myriad-sim/myriad/internal/wire"

// Errors of hubs. They keep their identity over the wire: test for them with errors.Is.
var (
	// ErrNoHub says that a hub was not created, or was closed.
	ErrNoHub = wire.ErrNoHub
	// ErrNotIn says that who wanted to say something is not a participant.
	ErrNotIn = wire.ErrNotIn
	// ErrBadRequest says that a request cannot be read or makes no sense.
	ErrBadRequest = wire.ErrBadRequest
	// ErrCrowded says that too much waits for a hub. Nothing was done; try again later.
	ErrCrowded = wire.ErrCrowded
	// ErrTooLarge says that a message or a hub exceeds a bound that the text names.
	ErrTooLarge = wire.ErrTooLarge
	// ErrNobody says that no environment service is running.
	ErrNobody = wire.ErrNobody
	// ErrUnavailable says that something cannot be done now, because the broker does not answer or its storage is full.
	ErrUnavailable = wire.ErrUnavailable
)
