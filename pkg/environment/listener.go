package environment

import (
	"fmt"
	"strings"

	"github.com/myriad-sim/myriad/pkg/environment/formula"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Listener waits for its condition to become true and then tells agents or a hub: once for each call after which it is true
// and before which it was not. Only calls that change something are looked at. One whose condition is true when it is made
// waits until it was false. A condition without a result, such as one about a key that is not there yet, is false.
type Listener struct {
	Name string `json:"name"`
	// When is the condition, an expression. "": each call that On names makes it true anew.
	When string `json:"when,omitempty"`
	// On is a key, or a function of the environment: only calls that write the one or call the other are looked at. "": all.
	On string `json:"on,omitempty"`
	// Tell are the agents that are told; or Hub.
	Tell []subjects.Address `json:"tell,omitempty"`
	Hub  string             `json:"hub,omitempty"`
	// Say is the text of the message, with expressions in double braces. "": the message holds the listener's name and the
	// environment's.
	Say string `json:"say,omitempty"`
}

// Compiled is a listener that was checked.
type Compiled struct {
	Listener
	When *formula.Program  // nil: always
	Say  *formula.Template // nil: nothing
}

// maxTell is how many agents a listener may tell; more are for a hub.
const maxTell = 10_000

// Compile checks a listener. The error is ErrBadRequest and names the field.
func (l Listener) Compile() (*Compiled, error) {
	c := &Compiled{Listener: l}
	if l.Name == "" || len(l.Name) > maxKey {
		return nil, at("name", fmt.Errorf("%w: it has 1 to %d bytes", ErrBadRequest, maxKey))
	}
	if l.When == "" && l.On == "" {
		return nil, at("when", fmt.Errorf("%w: a listener has a condition, or something it is on", ErrBadRequest))
	}
	var err error
	if l.When != "" {
		if c.When, err = formula.Compile(l.When, []string{}); err != nil {
			return nil, at("when", err)
		}
	}
	if l.Say != "" {
		if c.Say, err = formula.Parse(l.Say, []string{}); err != nil {
			return nil, at("say", err)
		}
	}
	if (len(l.Tell) == 0) == (l.Hub == "") {
		return nil, at("tell", fmt.Errorf("%w: either agents or a hub", ErrBadRequest))
	}
	if len(l.Tell) > maxTell {
		return nil, at("tell", fmt.Errorf("%w: %d agents, the limit is %d; use a hub", ErrBadRequest, len(l.Tell), maxTell))
	}
	for i, a := range l.Tell {
		if err := a.Check(); err != nil {
			return nil, at(fmt.Sprintf("tell[%d]", i), err)
		}
	}
	return c, nil
}

// fieldError is an error in a configuration, with the path of the field.
type fieldError struct {
	path string
	err  error
}

func (e *fieldError) Error() string { return e.path + ": " + e.err.Error() }

func (e *fieldError) Unwrap() []error { return []error{ErrBadRequest, e.err} }

// at puts a field before the path of an error.
func at(field string, err error) error {
	if inner, ok := err.(*fieldError); ok { //nolint:errorlint // only a path that begins at once can be put before
		sep := "."
		if strings.HasPrefix(inner.path, "[") {
			sep = ""
		}
		return &fieldError{field + sep + inner.path, inner.err}
	}
	return &fieldError{field, err}
}
