package runlog

import (
	"errors"
	"fmt"
)

var (
	// ErrVersion: the record was written in a format version this binary does not know.
	ErrVersion = errors.New("runlog: unknown record version")
	// ErrDamaged: a record does not decode, its checksum does not match its bytes, or it says what cannot be.
	ErrDamaged = errors.New("runlog: damaged record")
	// ErrLost: a record that was acknowledged is lost: its bytes on disk are damaged, or the log ends before it. It is an
	// ErrDamaged.
	ErrLost = fmt.Errorf("%w on disk", ErrDamaged)
	// ErrConflict: a control record was not appended because the log has moved on; fold again and decide anew.
	ErrConflict = errors.New("runlog: the log has moved on")
	// ErrOrder: a control record is not allowed in the state the run is in.
	ErrOrder = errors.New("runlog: control record out of order")
	// ErrDigest: the answers in the log do not give the digest that a closed record states.
	ErrDigest = errors.New("runlog: digest mismatch")
	// ErrNoRun: the log holds no record of the run.
	ErrNoRun = errors.New("runlog: no such run")
	// ErrTooLarge: a record would exceed the limits of the log.
	ErrTooLarge = errors.New("runlog: record too large")
	// ErrFull: the stream of the log takes no more records.
	ErrFull = errors.New("runlog: the log is full")
	// ErrReplaced: the stream was replaced, or has lost records, since it was last read.
	ErrReplaced = errors.New("runlog: the log is not the one that was read before")
)
