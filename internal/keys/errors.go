package keys

import "errors"

var (
	// ErrExists says that what is to be made is there already.
	ErrExists = errors.New("keys: exists already")
	// ErrNotKeys says that a directory was not made by Init, or lacks a part.
	ErrNotKeys = errors.New("keys: not a directory of keys")
	// ErrBad says that a name, an address or a number cannot be used.
	ErrBad = errors.New("keys: not usable")
	// ErrUnknown says that there is no such user.
	ErrUnknown = errors.New("keys: no such user")
)
