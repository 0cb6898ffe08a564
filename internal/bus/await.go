package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// awaitEvery is the pause between two looks for a stream.
const awaitEvery = 250 * time.Millisecond

// Await returns once all the streams are there, which a coordinator makes. A service without the right to make them waits
// for it, until ctx ends. Errors: ErrUnreachable with the cause of ctx's end, or the server's.
func Await(ctx context.Context, js jetstream.JetStream, log *slog.Logger, streams ...string) error {
	said := false
	for _, name := range streams {
		for {
			attempt, cancel := context.WithTimeout(ctx, askWait)
			_, err := js.Stream(attempt, name)
			cancel()
			if err == nil {
				break
			}
			if !later(err) && ctx.Err() == nil {
				return fmt.Errorf("stream %s: %w", name, err)
			}
			if !said {
				log.Warn("waiting for a coordinator to make the streams", "stream", name, "error", err)
				said = true
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("%w: stream %s: %w (%w); start a coordinator, which makes it, and check that this user may see it",
					ErrUnreachable, name, err, context.Cause(ctx))
			case <-time.After(awaitEvery):
			}
		}
	}
	return nil
}

// later reports whether what failed may work after some time: the stream is not there, the server is starting or a cluster
// has no leader yet, or nothing answered.
func later(err error) bool {
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		off := errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount)
		return errors.Is(err, jetstream.ErrStreamNotFound) || api.Code >= 500 && !off
	}
	return true
}
