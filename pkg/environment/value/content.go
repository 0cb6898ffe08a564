package value

import (
	"fmt"

	"github.com/myriad-sim/myriad/pkg/msg"
)

// Of is the value that a message's content holds.
func Of(c msg.Content) any { return c.Value() }

// Content is the content of a message that holds a value in normal form.
func Content(v any) (msg.Content, error) {
	c, err := msg.ContentOf(v)
	if err != nil {
		return msg.Content{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return c, nil
}
