package template

import (
	"errors"

	"github.com/myriad-sim/myriad/internal/expression"
)

// Errors of Bind and Append; they come wrapped with the name or function they are about.
var (
	// ErrNoValue: a name has no value in this round, such as .world.x before the first update.
	ErrNoValue = expression.ErrNoValue
	// ErrArgument: a function cannot work with a value it was given.
	ErrArgument = expression.ErrArgument
	// ErrTooLong: a text grew beyond its limit.
	ErrTooLong = expression.ErrTooLong
)

// runError marks an error of ours on its way through text/template, which wraps it in a description of the rewritten
// source that means nothing to a user.
type runError struct{ error }

func (e runError) Unwrap() error { return e.error }

func clean(err error) error {
	if re, ok := errors.AsType[runError](err); ok {
		return re.error
	}
	return err
}
