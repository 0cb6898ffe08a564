package reading

import "errors"

// Reasons a reply is not read. They come wrapped with detail. Their texts, and those of the errors that wrap them, are
// sentences for the model that gave the reply (see Reader.ReaskPrompt), so they carry no package prefix.
var (
	// ErrEmpty: there is no text in the reply, or none after its thinking.
	ErrEmpty = errors.New("the reply is empty")
	// ErrTooLong: the reply is longer than MaxReply.
	ErrTooLong = errors.New("the reply is too long")
	// ErrNoValue: no answer was found.
	ErrNoValue = errors.New("the reply contains no answer that can be read")
	// ErrManyValues: the reply holds several values and does not say plainly which one is the answer.
	ErrManyValues = errors.New("the reply contains more than one possible answer")
	// ErrAmbiguous: a value is there, but it is not plain that it is the answer, or what it means.
	ErrAmbiguous = errors.New("it is not clear what the answer in the reply is")
	// ErrOutOfRange: the answer is plain and not allowed.
	ErrOutOfRange = errors.New("the answer is out of range")
	// ErrTruncated: the reply stops before its answer is complete.
	ErrTruncated = errors.New("the reply stops before the answer is complete")
	// ErrMalformed: the reply holds JSON that cannot be read, not even after repair.
	ErrMalformed = errors.New("the JSON in the reply is not valid")
	// ErrSchema: the JSON does not follow the question's schema.
	ErrSchema = errors.New("the JSON in the reply does not have the required form")
	// ErrRefusal: the reply gives no value and says that it will not give one.
	ErrRefusal = errors.New("the reply refuses to answer")
)

// ErrSpec means that New was given a question no reply can answer. It is for the caller, not for a model.
var ErrSpec = errors.New("reading: invalid answer specification")
