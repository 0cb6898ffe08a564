package coordinator

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go/micro"

	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Any number of coordinators fold every run, and compare-and-set on its control records decides between them. So that they
// do not all compute and append the same, one leads: who wrote the run's last decision. The others take no step while it says
// that it drives the run; the broker tells at once when there is nobody of that name any more.

const (
	// peerTimeout is how long a coordinator may take to say that it drives a run.
	peerTimeout = 2 * time.Second
	// peerPatience is how long one may say that it will.
	peerPatience = 10 * time.Second
	// peerFresh is how long that counts.
	peerFresh = 900 * time.Millisecond // the next poke asks again
)

// peers is what the other coordinators said.
type peers struct {
	mu    sync.Mutex
	words map[peerRun]*word
}

type peerRun struct{ peer, run string }

type word struct {
	at      time.Time // of the last answer, or silence
	drives  bool
	soon    time.Time // since when it has said that it is about to; zero where the last answer was another
	pending bool
}

// What a coordinator says of a run.
const (
	peerYes  = "yes"
	peerNo   = "no"
	peerSoon = "soon" // it has yet to see the run, or to read it
)

// hear takes in an answer, "" where there was none.
func (w *word) hear(answer string, now time.Time) {
	w.at, w.pending = now, false
	if answer != peerSoon {
		w.drives, w.soon = answer == peerYes, time.Time{}
		return
	}
	if w.soon.IsZero() {
		w.soon = now
	}
	w.drives = now.Sub(w.soon) < peerPatience
}

// leads reports whether this coordinator is to take steps. d.mu is held. Where that is not known it is found out first, and
// the driver is woken if this one is to.
func (d *driver) leads(ctx context.Context) bool {
	if d.leader == "" || d.leader == d.svc.cfg.ID {
		return true
	}
	s, key := d.svc, peerRun{d.leader, d.id}
	s.peers.mu.Lock()
	defer s.peers.mu.Unlock()
	w := s.peers.words[key]
	if w == nil {
		w = &word{drives: true}
		s.peers.words[key] = w
	}
	if !w.at.IsZero() && time.Since(w.at) < peerFresh {
		return !w.drives
	}
	if !w.pending {
		w.pending = true
		s.done.Go(func() {
			answer := s.askPeer(ctx, key)
			s.peers.mu.Lock()
			w.hear(answer, time.Now())
			drives := w.drives
			s.peers.mu.Unlock()
			if !drives {
				d.wake()
			}
		})
	}
	return false
}

// askPeer asks another coordinator whether it drives a run. It returns "" where that one says nothing.
func (s *Service) askPeer(ctx context.Context, key peerRun) string {
	ctx, cancel := context.WithTimeout(ctx, peerTimeout)
	defer cancel()
	m, err := s.nc.RequestWithContext(ctx, drivesSubject(key.peer), []byte(key.run))
	if err != nil {
		return ""
	}
	return string(m.Data)
}

// unheard forgets what was said of a run.
func (p *peers) unheard(run string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key := range p.words {
		if key.run == run {
			delete(p.words, key)
		}
	}
}

// drivesSubject is where a coordinator is asked whether it drives a run.
func drivesSubject(id string) string {
	return subjects.Service(subjects.ServiceCoordinator, "drives-"+id)
}

// sayDrives answers the others.
func (s *Service) sayDrives(req micro.Request) {
	run := string(req.Data())
	s.mu.Lock()
	d := s.drivers[run]
	s.mu.Unlock()
	answer := peerSoon // who has recorded a run may hear of it later than others do
	switch {
	case s.givenUp(run):
		answer = peerNo
	case d != nil:
		answer = d.drives()
	}
	if err := req.Respond([]byte(answer)); err != nil {
		s.log.Warn("another coordinator not answered", "error", err)
	}
}

// drives says whether the driver takes steps when it leads. One that is busy does.
func (d *driver) drives() string {
	if !d.mu.TryLock() {
		return peerYes
	}
	defer d.mu.Unlock()
	switch {
	case d.held:
		return peerNo
	case !d.live:
		return peerSoon
	}
	return peerYes
}
