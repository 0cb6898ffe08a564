package runlog

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/pkg/subjects"
)

// AppendControl appends a control record and returns its sequence. expect is the sequence of the run's last control
// record (State.CtlSeq, 0 for none): if another was appended meanwhile nothing is written and ErrConflict is returned.
// When it returns without error the record is on disk. Errors: ErrConflict, ErrTooLarge and ErrFull mean that nothing was
// written; after any other, such as a timeout, the record may be in the log, and only reading it tells.
func AppendControl(ctx context.Context, js jetstream.JetStream, h Header, body any, expect uint64) (uint64, error) {
	if created, ok := body.(Created); ok {
		if err := created.check(); err != nil {
			return 0, err
		}
	}
	data, err := Encode(h, body)
	if err != nil {
		return 0, err
	}
	ack, err := js.Publish(ctx, subjects.LogCtl(h.Run, h.Kind), data,
		jetstream.WithExpectStream(subjects.StreamLog),
		jetstream.WithExpectLastSequenceForSubject(expect, subjects.LogCtlAll(h.Run)))
	if err != nil {
		return 0, fmt.Errorf("runlog: append %s of run %s: %w", h.Kind, h.Run, appendError(err))
	}
	return ack.Sequence, nil
}

// Refused reports whether a record that was not appended never will be: it is too large, or the broker takes no such record of
// this connection. After any other error it may be appended again with the same expectation, which two of the same record cannot
// both meet: ErrConflict then says that it was in the log already, or that another came before it.
func Refused(err error) bool {
	var api *jetstream.APIError
	switch {
	case errors.Is(err, ErrTooLarge), errors.Is(err, nats.ErrConnectionClosed):
		return true
	case errors.Is(err, ErrConflict), errors.Is(err, ErrFull):
		return false
	}
	return errors.As(err, &api) && api.Code >= 400 && api.Code < 500
}

// Codes of the server that nats.go has no names for.
const (
	codeStoreFailed    = 10077 // "maximum bytes exceeded" and the like: DiscardNew at its limit
	codeNoSpace        = 10047 // the server's storage is used up
	codeAccountFull    = 10002 // that of the account
	codeNoResources    = 10023 // what the server may use is used up
	codeMessageTooLong = 10054
)

func appendError(err error) error {
	var api *jetstream.APIError
	switch {
	case errors.Is(err, nats.ErrMaxPayload):
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	case !errors.As(err, &api):
		return err
	}
	switch api.ErrorCode {
	case jetstream.JSErrCodeStreamWrongLastSequence, jetstream.JSErrCodeStreamWrongLastSequenceConstant:
		return fmt.Errorf("%w: %w", ErrConflict, err)
	case codeStoreFailed, codeNoSpace, codeAccountFull, codeNoResources:
		return fmt.Errorf("%w: %w", ErrFull, err)
	case codeMessageTooLong:
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	return err
}
