package monitor

import "errors"

var (
	// ErrNotLoopback: the monitor was told to listen where other machines reach it, and not that it may.
	ErrNotLoopback = errors.New("monitor: it listens on this machine only")
	// ErrListen: it cannot listen on its address.
	ErrListen = errors.New("monitor: cannot listen")
	// ErrUnwell: the process that was asked is not reachable, or says that it cannot work.
	ErrUnwell = errors.New("monitor: not well")
)

// errStarting is why a process is not ready before its services have started.
var errStarting = errors.New("the services are starting")
