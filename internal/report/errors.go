package report

import "errors"

var (
	// ErrPersonas is returned by row writers for a row with more or fewer persona values than there are columns.
	ErrPersonas = errors.New("report: row has the wrong number of persona values")
	// ErrClosed is returned by row writers after Close.
	ErrClosed = errors.New("report: writer is closed")
	// ErrNotFinite is returned for a summary that holds NaN or an infinity.
	ErrNotFinite = errors.New("report: figure is not finite")
)
