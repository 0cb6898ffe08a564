package agenthost

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/internal/hosts"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// fence keeps a host from asking for agents that may be another's by now: one that was cut off from the broker, or that stood
// still and wakes. It closes by itself when the broker has confirmed no beat for as long as others wait before they take a
// host for dead, and stays closed until it is opened. What such a host would write does not count anyway; this saves the calls.
type fence struct {
	began time.Time    // of the host, on its monotonic clock
	beat  atomic.Int64 // nanoseconds from then to the sending of the last beat that was confirmed
	shut  atomic.Bool
}

// closed reports whether nothing may be asked.
func (f *fence) closed() bool {
	if f.shut.Load() {
		return true
	}
	if time.Since(f.began)-time.Duration(f.beat.Load()) < hosts.TTL {
		return false
	}
	f.shut.Store(true)
	return true
}

// open notes that a beat sent at a time was confirmed, and all that may have been decided in a silence before was read.
func (f *fence) open(sent time.Time) {
	f.beat.Store(int64(sent.Sub(f.began)))
	f.shut.Store(false)
}

// upToDate reports whether every run has applied what the log says of it.
func (s *Service) upToDate(ctx context.Context) bool {
	s.mu.Lock()
	var runs []*run
	for _, h := range s.runs {
		runs = append(runs, h.run)
	}
	s.mu.Unlock()
	for _, r := range runs {
		last, err := s.stream.GetLastMsgForSubject(ctx, subjects.LogCtlAll(r.id))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue // it was removed
		}
		if err != nil || r.read.Load() < last.Sequence && !r.isOver() {
			return false
		}
	}
	return true
}
