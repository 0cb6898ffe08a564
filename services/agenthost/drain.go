package agenthost

import (
	"encoding/json"

	"github.com/nats-io/nats.go/micro"

	"github.com/myriad-sim/myriad/internal/hosts"
)

// A host that drains begins no turns, ends the questions that it has begun, and says so in its beats; coordinators then give
// its shards to others. That it drains is known to this life of the host alone: a restart ends it.

// obeyDrain does what a coordinator wants.
func (s *Service) obeyDrain(req micro.Request) {
	var t hosts.Telling
	if err := json.Unmarshal(req.Data(), &t); err != nil {
		if err := req.Error("invalid", "not JSON like {\"draining\": true}", nil); err != nil {
			s.log.Warn("request not answered", "endpoint", req.Subject(), "error", err)
		}
		return
	}
	if s.draining.Swap(t.Draining) != t.Draining {
		s.log.Info("told to drain, or not to", "draining", t.Draining)
		s.wakeRuns()
		s.speakUp()
	}
	s.reply(req, s.now())
}

// resting reports whether no turns may begin here now, in whichever run.
func (s *Service) resting() bool { return s.draining.Load() || s.beats.fence.closed() }

// wakeRuns has every run look at what may be done now.
func (s *Service) wakeRuns() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.runs {
		h.run.wake()
	}
}

// may reports whether a batch may be sent now. While the host drains those may that end what was begun.
func (r *run) may(b *batch) bool {
	if b.items != nil {
		return !r.svc.beats.fence.closed() && r.playing() == b.round
	}
	return r.asking() == b.round
}
