package modelserver

import (
	"errors"
	"time"
)

// ErrNoMetrics says that a server does not tell its load; asking it again is no use.
var ErrNoMetrics = errors.New("the server has no metrics of a known kind")

// ErrTooLarge says that a response that was to be passed on is longer than was allowed.
var ErrTooLarge = errors.New("the response is too large")

// Kind is what an error means for the call, for its neighbours and for the server.
type Kind uint8

// Kinds of errors.
const (
	// Unreached: no connection was made, or the request was not written to it. Nothing was sent, nothing was spent.
	Unreached Kind = iota
	// Lost: the request was sent, and no whole answer came. The server may have worked, and may bill.
	Lost
	// Overloaded: the server is there and wants to be asked later.
	Overloaded
	// Failing: the server is there and does not work.
	Failing
	// Lacking: the server has no such endpoint, be it that for batches or the one that Forward asked for.
	Lacking
	// Rejected: the server refused this content. Asking again is no use; other content is not affected.
	Rejected
	// Forbidden: the server refused the model, the key or the address. No call of the kind is of use.
	Forbidden
	// Malformed: the server reported success, and the answer is not one.
	Malformed
)

// String is the name of the kind in lower case, for logs and metrics.
func (k Kind) String() string {
	names := [...]string{"unreached", "lost", "overloaded", "failing", "lacking", "rejected", "forbidden", "malformed"}
	if int(k) < len(names) {
		return names[k]
	}
	return "unknown"
}

// Error is what became of an attempt that gave no completion. errors.Is finds context.Canceled and
// context.DeadlineExceeded in it when the caller's context ended the attempt; the kind then says whether anything had
// been sent. It finds ErrTooLarge in it when what Forward got is too long.
type Error struct {
	Kind   Kind
	Status int           // of the HTTP response, 0: there was none
	After  time.Duration // the server asked to wait that long, 0: it did not
	Text   string        // one line of at most 400 bytes: the host and the reason, never a key
	cause  error
}

// Error implements error.
func (e *Error) Error() string { return e.Text }

// Unwrap is the error of the context that ended the attempt, or ErrTooLarge, or nil.
func (e *Error) Unwrap() error { return e.cause }
