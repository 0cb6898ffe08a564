package report

import "errors"

var (
	// ErrPersonas is returned by row writers for a row with more or fewer persona values than there are columns, or with
	// a category that its column does not have.
	ErrPersonas = errors.New("report: row does not fit the persona columns")
	// ErrClosed is returned by row writers after Close.
	ErrClosed = errors.New("report: writer is closed")
	// ErrFormat: there is no such format of rows.
	ErrFormat = errors.New("report: unknown format")
	// ErrNotFinite is returned for a summary that holds NaN or an infinity.
	ErrNotFinite = errors.New("report: figure is not finite")
)
