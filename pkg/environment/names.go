package environment

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of names.
const (
	maxName  = 200 // bytes of an environment's name
	maxLevel = 16  // environments nested in each other
	maxKey   = 256 // bytes of a key
)

// CheckName refuses what cannot be the name of an environment: names of up to 200 bytes, up to 16 deep, joined with "/". The
// error is ErrBadRequest.
func CheckName(name string) error {
	if len(name) > maxName {
		return fmt.Errorf("%w: a name of %d bytes, the limit is %d", ErrBadRequest, len(name), maxName)
	}
	if !utf8.ValidString(name) {
		return fmt.Errorf("%w: the name %q is not UTF-8", ErrBadRequest, name)
	}
	parts := strings.Split(name, "/")
	if len(parts) > maxLevel {
		return fmt.Errorf("%w: %d environments nested in each other, the limit is %d", ErrBadRequest, len(parts), maxLevel)
	}
	if slices.Contains(parts, "") {
		return fmt.Errorf("%w: the name %q has an empty part", ErrBadRequest, name)
	}
	return nil
}

// Root is the name of the outermost environment around one.
func Root(name string) string {
	root, _, _ := strings.Cut(name, "/")
	return root
}

// ParentOf is the name of the environment in which one is nested, "" for a root.
func ParentOf(name string) string {
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		return name[:i]
	}
	return ""
}

// CheckKey refuses what cannot be a key of a state: the empty text and what has more than 256 bytes or is not UTF-8. The error is
// ErrBadRequest.
func CheckKey(key string) error {
	if key == "" || len(key) > maxKey {
		return fmt.Errorf("%w: a key of %d bytes; it has 1 to %d", ErrBadRequest, len(key), maxKey)
	}
	if !utf8.ValidString(key) {
		return fmt.Errorf("%w: the key %q is not UTF-8", ErrBadRequest, key)
	}
	return nil
}
