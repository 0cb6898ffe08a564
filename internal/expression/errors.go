package expression

import (
	"errors"
	"fmt"
)

// Errors of running a Program and of ParseValue. They come wrapped with the name they are about; test with errors.Is.
var (
	// ErrNotFinite: the result, or a number a condition depends on, is NaN or infinite.
	ErrNotFinite = errors.New("not a finite number")
	// ErrNoAnswers: an aggregate was asked of a question without a valid answer.
	ErrNoAnswers = errors.New("no valid answers")
	// ErrNoValue: a name has no value here, such as world.x before the first update.
	ErrNoValue = errors.New("no value")
	// ErrType: a value is not of the type the expression was compiled for.
	ErrType = errors.New("wrong type")
	// ErrArgument: a function was called with an argument it has no result for.
	ErrArgument = errors.New("bad argument")
	// ErrTooLong: a text grew beyond the limit.
	ErrTooLong = errors.New("text too long")
	// ErrBadNumber: text that looks like a number has no finite value, such as 1/0 or 1e999.
	ErrBadNumber = errors.New("bad number")
)

// CompileError says what is wrong with a source text and where.
type CompileError struct {
	Offset     int    // 0-based byte offset in the source
	Msg        string // what is wrong, without the suggestion
	Suggestion string // a known name close to an unknown one, "" if there is none
}

// Error implements error.
func (e *CompileError) Error() string {
	if e.Suggestion == "" {
		return fmt.Sprintf("offset %d: %s", e.Offset, e.Msg)
	}
	return fmt.Sprintf("offset %d: %s; did you mean %q?", e.Offset, e.Msg, e.Suggestion)
}
