package runlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Follow delivers the records of the log on the given subjects in stream order, from sequence start (0: from the
// beginning), and goes on with new ones as they come. It survives reconnects and broker restarts without a gap or a
// repeat. It returns the error of fn, or that of ctx when ctx is done. Before the first record, and so for an empty log
// too, it calls caughtUp (if not nil) once every record that existed at the call was delivered.
func Follow(ctx context.Context, js jetstream.JetStream, start uint64, filters []string, caughtUp func() error, fn func(Entry) error) error {
	cfg := jetstream.OrderedConsumerConfig{FilterSubjects: filters, DeliverPolicy: jetstream.DeliverAllPolicy}
	if start > 1 {
		cfg.DeliverPolicy, cfg.OptStartSeq = jetstream.DeliverByStartSequencePolicy, start
	}
	cons, err := js.OrderedConsumer(ctx, subjects.StreamLog, cfg)
	if err != nil {
		return fmt.Errorf("runlog: read the log: %w", err)
	}
	defer func() { // it would go by itself, but only after minutes, and consumers are limited
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
		defer cancel()
		_ = js.DeleteConsumer(clean, subjects.StreamLog, cons.CachedInfo().Name)
	}()
	existing := cons.CachedInfo().NumPending
	if caughtUp != nil && existing == 0 {
		if err := caughtUp(); err != nil {
			return err
		}
		caughtUp = nil
	}
	it, err := cons.Messages(jetstream.PullMaxMessages(1024), jetstream.PullHeartbeat(5*time.Second), jetstream.PullExpiry(20*time.Second))
	if err != nil {
		return fmt.Errorf("runlog: read the log: %w", err)
	}
	stop := context.AfterFunc(ctx, it.Stop)
	defer func() {
		if stop() {
			it.Stop()
		}
	}()
	for {
		msg, err := it.Next()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, jetstream.ErrNoHeartbeat) {
			continue // the consumer resets itself behind the scenes
		}
		if err != nil {
			return fmt.Errorf("runlog: read the log: %w", err)
		}
		e, err := entry(msg)
		if err != nil {
			return err
		}
		if err := fn(e); err != nil {
			return err
		}
		if existing > 0 {
			existing--
		}
		if caughtUp != nil && existing == 0 {
			if err := caughtUp(); err != nil {
				return err
			}
			caughtUp = nil
		}
	}
}

func entry(msg jetstream.Msg) (Entry, error) {
	meta, err := msg.Metadata()
	if err != nil {
		return Entry{}, fmt.Errorf("runlog: %w", err)
	}
	return Entry{Subject: msg.Subject(), Seq: meta.Sequence.Stream, Time: meta.Timestamp, Data: msg.Data()}, nil
}

// cleanupTimeout bounds the deletion of a consumer that is not needed any more.
const cleanupTimeout = 500 * time.Millisecond

// errDone ends a Follow that only reads what is there.
var errDone = errors.New("caught up")

// Read delivers the records that exist on the given subjects, in stream order, and returns.
func Read(ctx context.Context, js jetstream.JetStream, start uint64, filters []string, fn func(Entry) error) error {
	err := Follow(ctx, js, start, filters, func() error { return errDone }, fn)
	if errors.Is(err, errDone) {
		return nil
	}
	return err
}

// ReadControl folds the control records of a run, without its answers. It returns ErrNoRun if there are none.
func ReadControl(ctx context.Context, js jetstream.JetStream, run string) (*State, error) {
	f := NewFold(run)
	err := Read(ctx, js, 0, []string{subjects.LogCtlAll(run)}, func(e Entry) error {
		_, err := f.Apply(e)
		return err
	})
	if err != nil {
		return nil, err
	}
	if f.Phase == PhaseNone {
		return nil, fmt.Errorf("%w: %q", ErrNoRun, run)
	}
	return &f.State, nil
}

// RunSubjects are the subjects a fold with answers needs.
func RunSubjects(run string) []string {
	return []string{subjects.LogCtlAll(run), subjects.LogAnswerAll(run), subjects.LogAskedAll(run)}
}
