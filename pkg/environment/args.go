package environment

import (
	"fmt"

	"github.com/myriad-sim/myriad/pkg/environment/value"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Args are the arguments of a call by name: values in normal form. Those that a function declares without "?" are there.
// The errors of its methods are ErrBadRequest and name the argument.
type Args map[string]any

// Text returns an argument that is a text, "" for one that is missing.
func (a Args) Text(name string) (string, error) {
	switch v := a[name].(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	default:
		return "", wrong(name, "a text", v)
	}
}

// Int returns an argument that is a whole number, 0 for one that is missing.
func (a Args) Int(name string) (int64, error) {
	switch v := a[name].(type) {
	case nil:
		return 0, nil
	case int64:
		return v, nil
	default:
		return 0, wrong(name, "a whole number", v)
	}
}

// Number returns an argument that is a number, 0 for one that is missing.
func (a Args) Number(name string) (float64, error) {
	switch v := a[name].(type) {
	case nil:
		return 0, nil
	case int64:
		return float64(v), nil
	case float64:
		return v, nil
	default:
		return 0, wrong(name, "a number", v)
	}
}

// Bool returns an argument that is true or false, false for one that is missing.
func (a Args) Bool(name string) (bool, error) {
	switch v := a[name].(type) {
	case nil:
		return false, nil
	case bool:
		return v, nil
	default:
		return false, wrong(name, "true or false", v)
	}
}

// Has reports whether an argument was given.
func (a Args) Has(name string) bool { return a[name] != nil }

// Addresses returns an argument that is the address of an agent or a list of them.
func (a Args) Addresses(name string) ([]subjects.Address, error) {
	var out []subjects.Address
	list, ok := a[name].([]any)
	if !ok && a[name] != nil {
		list = []any{a[name]}
	}
	for _, v := range list {
		s, ok := v.(string)
		if !ok {
			return nil, wrong(name, "an address", v)
		}
		if err := subjects.Address(s).Check(); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrBadRequest, name, err)
		}
		out = append(out, subjects.Address(s))
	}
	return out, nil
}

func wrong(name, want string, v any) error {
	c, err := value.Content(v)
	if err != nil {
		return fmt.Errorf("%w: %s: not %s", ErrBadRequest, name, want)
	}
	return fmt.Errorf("%w: %s: %.60q is not %s", ErrBadRequest, name, c.String(), want)
}
