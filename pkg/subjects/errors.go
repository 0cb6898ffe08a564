package subjects

import "errors"

var (
	// ErrSubject says that a subject is not of the form its parser reads.
	ErrSubject = errors.New("subjects: not a subject of this form")

	// ErrToken says that a token is not one that Encode makes.
	ErrToken = errors.New("subjects: not an encoded token")
)
