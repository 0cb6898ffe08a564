package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
	"github.com/myriad-sim/myriad/services/environment/engine/tree"
)

// sweep looks at all trees for messages that nobody sends: those of an engine that died. The last record of a tree says how
// many wait. What waits from one look to the next is sent from here too, which does no harm if its engine lives and only the
// receiver is away.
type sweep struct {
	e      *Engine
	counts map[string]uint64 // records by subject, at the last look
	waits  map[string]uint64 // last records of trees in which messages waited then
}

func (s *sweep) run(ctx context.Context) {
	for {
		if sleep(ctx, s.e.cfg.Sweep) != nil {
			return
		}
		select {
		case <-s.e.quit:
			return
		default:
		}
		limited, cancel := context.WithTimeout(ctx, 4*askTime)
		if err := s.look(limited, ctx, false); err != nil && ctx.Err() == nil {
			s.e.log.Debug("unsent messages not looked for", "error", err)
		}
		cancel()
	}
}

// look goes over the trees. At the start whatever waits is sent, for the engine that wrote it may be gone.
func (s *sweep) look(ctx, life context.Context, start bool) error {
	info, err := s.e.stream.Info(ctx, jetstream.WithSubjectFilter(subjects.AnyRunLogEnv()))
	if err != nil {
		return fmt.Errorf("stream %s: %w", subjects.StreamLog, err)
	}
	waits := map[string]uint64{}
	for subject, n := range info.State.Subjects {
		before, waited := s.waits[subject]
		if s.counts[subject] == n && !waited {
			continue
		}
		last, err := s.waiting(ctx, subject)
		if err != nil {
			return err
		}
		if last == 0 {
			continue
		}
		waits[subject] = last
		if start {
			before = last
		} else if !waited {
			continue
		}
		at, err := subjects.ParseLog(subject)
		if err != nil {
			s.e.log.Warn("messages wait under a name that cannot be read", "subject", subject, "error", err)
			continue // the others' do not wait for that
		}
		if err := s.e.give(life, treeKey{at.Run, at.Name}, nil, before); err != nil {
			return err
		}
	}
	s.counts, s.waits = info.State.Subjects, waits
	return nil
}

// waiting is the last record of a tree if it says that messages wait, else 0.
func (s *sweep) waiting(ctx context.Context, subject string) (uint64, error) {
	m, err := s.e.stream.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return 0, nil // its run was removed
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", subject, err)
	}
	_, body, err := runlog.Decode(m.Data)
	if err != nil {
		return 0, nil //nolint:nilerr // a damaged record is for who calls the tree
	}
	if n, err := tree.Waiting(body); err != nil || n == 0 {
		return 0, nil //nolint:nilerr // likewise
	}
	return m.Sequence, nil
}
