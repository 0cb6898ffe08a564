package environment

import "github.com/myriad-sim/myriad/internal/wire"

// Errors of environments. They keep their identity over the wire: test for them with errors.Is.
var (
	// ErrBadRequest says that a call makes no sense: unknown arguments, a wrong configuration. The text says where and what.
	ErrBadRequest = wire.ErrBadRequest
	// ErrNoEnvironment says that there is no environment of that name, or none to nest one in.
	ErrNoEnvironment = wire.ErrNoEnvironment
	// ErrNoFunction says that the environment has no such function.
	ErrNoFunction = wire.ErrNoFunction
	// ErrNoKind says that no program that serves environments has the code of that kind.
	ErrNoKind = wire.ErrNoKind
	// ErrExists says that there is something else of that name.
	ErrExists = wire.ErrExists
	// ErrFailed says that the function returned an error; the text has its words. Nothing was changed.
	ErrFailed = wire.ErrFailed
	// ErrNotIn says that the caller is not a member of the chatroom.
	ErrNotIn = wire.ErrNotIn
	// ErrTooLarge says that what a call changes or returns is too much for one record or reply. Nothing was changed.
	ErrTooLarge = wire.ErrTooLarge
	// ErrCrowded says that too many calls wait. Nothing was done; try again later.
	ErrCrowded = wire.ErrCrowded
	// ErrDeadline says that the call was not done by its deadline.
	ErrDeadline = wire.ErrDeadline
	// ErrStopped says that the program that serves the environment is going away. Nothing was done; ask again.
	ErrStopped = wire.ErrStopped
	// ErrNobody says that no program that serves environments runs.
	ErrNobody = wire.ErrNobody
	// ErrUnavailable says that the log cannot be written or read now. Whether the call was done is not known.
	ErrUnavailable = wire.ErrUnavailable
)
