package checkpoint

import "errors"

// Errors of a checkpoint. None of them is a loss: the log has everything.
var (
	// ErrDamaged says that what is stored is not, or not all of, what was written.
	ErrDamaged = errors.New("the checkpoint is damaged")
	// ErrVersion says that another version of Myriad wrote it.
	ErrVersion = errors.New("the checkpoint is of a version that this program does not read")
	// ErrForeign says that the log does not hold the record that the checkpoint ends with.
	ErrForeign = errors.New("the checkpoint is of another log")
)
