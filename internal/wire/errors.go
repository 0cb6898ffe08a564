package wire

import (
	"context"
	"errors"
	"fmt"

	"github.com/myriad-sim/myriad/pkg/msg"
)

// What can go wrong between two parties. Each has a code on the wire; pkg/agent, pkg/hub and pkg/environment give them to
// users under their own names.
var (
	ErrBadRequest    = errors.New("bad request")                                 // it cannot be read, or asks for what makes no sense
	ErrNobody        = errors.New("nobody answers there")                        // no program listens on the subject
	ErrNoAgent       = errors.New("no such agent")                               // the host has no agent of that name
	ErrNoKind        = errors.New("no such kind")                                // the program that was asked has no code of that name
	ErrExists        = errors.New("exists already, and is not the same")         // something else has the name
	ErrCrowded       = errors.New("too much is waiting there; ask again later")  // a bound on what waits is reached
	ErrCycle         = errors.New("would wait for itself")                       // the agent is itself waiting for the request
	ErrFailed        = errors.New("failed")                                      // the code of the agent or function returned an error
	ErrDeadline      = errors.New("not done by its deadline")                    // the time the sender gave is over
	ErrCancelled     = errors.New("cancelled")                                   // a holder of the placeholder ended it
	ErrExpired       = errors.New("expired: the result was kept for its time")   // the producer has forgotten the result
	ErrProducerLost  = errors.New("lost: the program that worked on it is gone") // and the result with it
	ErrStopped       = errors.New("stopping; ask again")                         // the program is going away
	ErrNoFunction    = errors.New("no such function")                            // of an environment or verb of a hub
	ErrNoHub         = errors.New("no such hub")                                 // it was not created, or was deleted
	ErrNoEnvironment = errors.New("no such environment")                         // it was not created, or was deleted
	ErrNotIn         = errors.New("not a participant")                           // of the hub
	ErrTooLarge      = errors.New("too large")                                   // for a bound that the text names
	ErrUnavailable   = errors.New("cannot be done now; ask again later")         // the broker or another service does not answer
)

// ErrUnheard is the ErrNobody that the broker tells of: nobody got the request, so it may be sent again. Another ErrNobody came
// as an answer, from somebody who found nobody on the way.
var ErrUnheard error = &remoteError{text: "nobody listens", kind: ErrNobody}

// codes are the words for the errors in subjects.HeaderErrorCode. They are a promise to programs in other languages: words
// may be added, never changed.
var codes = []struct {
	code string
	err  error
}{
	{"bad-request", ErrBadRequest}, {"nobody", ErrNobody}, {"no-agent", ErrNoAgent}, {"no-kind", ErrNoKind}, {"exists", ErrExists},
	{"crowded", ErrCrowded}, {"cycle", ErrCycle}, {"deadline", ErrDeadline}, {"cancelled", ErrCancelled},
	{"expired", ErrExpired}, {"producer-lost", ErrProducerLost}, {"stopped", ErrStopped}, {"no-function", ErrNoFunction},
	{"no-hub", ErrNoHub}, {"no-environment", ErrNoEnvironment}, {"not-in", ErrNotIn}, {"too-large", ErrTooLarge},
	{"unavailable", ErrUnavailable}, {"failed", ErrFailed},
}

// Code is the word for an error, "failed" for one that has none.
func Code(err error) string {
	for _, c := range codes {
		if errors.Is(err, c.err) {
			return c.code
		}
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "deadline"
	case errors.Is(err, msg.ErrTooLarge):
		return "too-large"
	}
	return "failed"
}

// remoteError is an error that came over the wire: the words of the other side, and the sentinel of its code.
type remoteError struct {
	text string
	kind error
}

func (e *remoteError) Error() string { return e.text }

func (e *remoteError) Unwrap() error { return e.kind }

// FromCode is the error that came with a code and a text. An unknown code is ErrFailed.
func FromCode(code, text string) error {
	kind := ErrFailed
	for _, c := range codes {
		if c.code == code {
			kind = c.err
		}
	}
	if text == "" {
		return kind
	}
	return &remoteError{text, kind}
}

// Codes lists the words for errors, with what they mean.
func Codes() [][2]string {
	out := make([][2]string, len(codes))
	for i, c := range codes {
		out[i] = [2]string{c.code, c.err.Error()}
	}
	return out
}

// bad makes an ErrBadRequest of an error found in a request.
func bad(err error) error { return fmt.Errorf("%w: %w", ErrBadRequest, err) }
