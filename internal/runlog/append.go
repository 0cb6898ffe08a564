package runlog

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/pkg/subjects"
)

// AppendControl appends a control record and returns its sequence. expect is the sequence of the run's last control
// record (State.CtlSeq, 0 for none): if another was appended meanwhile nothing is written and ErrConflict is returned.
// When it returns without error the record is on disk.
func AppendControl(ctx context.Context, js jetstream.JetStream, h Header, body any, expect uint64) (uint64, error) {
	data, err := Encode(h, body)
	if err != nil {
		return 0, err
	}
	ack, err := js.Publish(ctx, subjects.LogCtl(h.Run, h.Kind), data,
		jetstream.WithExpectStream(subjects.StreamLog),
		jetstream.WithExpectLastSequenceForSubject(expect, subjects.LogCtlAll(h.Run)))
	var api *jetstream.APIError
	if errors.As(err, &api) && (api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant) {
		return 0, fmt.Errorf("%w: %s of run %s", ErrConflict, h.Kind, h.Run)
	}
	if err != nil {
		return 0, fmt.Errorf("runlog: append %s of run %s: %w", h.Kind, h.Run, err)
	}
	return ack.Sequence, nil
}
