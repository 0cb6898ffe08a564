// Package value is what the state of an environment is made of: values as they travel in messages, in one normal form, so
// that equal values are equal and numbers stay exact. A value is nil, a bool, a string, an int64, a float64 that is no whole
// number of that range, or a []any or map[string]any of values. Values are shared and not to be changed.
//
// The package is pure: it may import pkg/msg and the msgpack codec.
package value
