package msg

import "errors"

var (
	// ErrVersion says that a message is of a version this program does not read. The text names both.
	ErrVersion = errors.New("msg: unknown version")

	// ErrMalformed says that bytes are not a message: broken msgpack or JSON, or a field of the wrong type.
	ErrMalformed = errors.New("msg: malformed")

	// ErrInvalid says that a message is well formed but not allowed: an unknown role, a value that cannot travel, a
	// content beside a placeholder.
	ErrInvalid = errors.New("msg: invalid")

	// ErrTooLarge says that an encoded message is over MaxSize.
	ErrTooLarge = errors.New("msg: too large")

	// ErrTooDeep says that metadata or data is nested deeper than MaxDepth.
	ErrTooDeep = errors.New("msg: nested too deeply")

	// ErrContentType says that a Content-Type is neither msgpack nor JSON.
	ErrContentType = errors.New("msg: unknown content type")
)
