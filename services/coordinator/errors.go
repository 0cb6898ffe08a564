package coordinator

import "errors"

var (
	// ErrNoRun: there is no run of that id.
	ErrNoRun = errors.New("there is no run of that id")
	// ErrDamaged: records of the run are lost, so it is not gone on with.
	ErrDamaged = errors.New("the log of the run is damaged")
	// ErrOver: the run is over; nothing can be changed about it.
	ErrOver = errors.New("the run is over")
	// ErrNotPaused: the run is not paused, so it cannot be resumed.
	ErrNotPaused = errors.New("the run is not paused")
	// ErrNoBgen: no bgen service answered, so the population cannot be drawn.
	ErrNoBgen = errors.New("coordinator: no bgen service is running")
)
