package coordinator

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// What a run went on after is put into its log, so that its receipt can tell: that no coordinator was there, that the broker
// was away, and what hosts report. Every coordinator sees the same, so each looks first whether the log has it.

const (
	// mostFaults are put into the log of a run in a minute at most, and so many in all: something that comes and goes must not
	// fill it.
	mostFaults    = 6
	mostFaultsAll = 60
	// sameWithin is how far apart clocks and senses of services may be about one incident.
	sameWithin = 2 * time.Second
)

// known reports whether the log tells of an incident, or of so many that one more says nothing.
func known(s *runlog.State, n runlog.FaultNote) bool {
	recent := 0
	for _, f := range s.Faults {
		until := f.Until
		if until.IsZero() {
			until = f.At
		}
		if f.Who == n.Who && f.At.Add(-sameWithin).Before(n.Until) && n.At.Before(until.Add(sameWithin)) {
			return true
		}
		if age := n.Until.Sub(f.At); age < time.Minute && age > -time.Minute {
			recent++
		}
	}
	return recent >= mostFaults || len(s.Faults) >= mostFaultsAll
}

// incidents are what this coordinator saw happen to a run and is not in its log yet.
type incidents struct {
	mu      sync.Mutex
	pending []runlog.FaultNote // one for each who

	// The following are guarded by the driver's lock.
	found bool      // the run was there before this coordinator had to do with it
	other string    // another coordinator, or an earlier life of this one, that decided last; "": none, or the run was paused since
	seen  time.Time // the last sign of it
	last  time.Time // of the last record
}

// add takes in an incident; two of the same part that are not told yet become one.
func (i *incidents) add(n runlog.FaultNote) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for k := range i.pending {
		if p := &i.pending[k]; p.Who == n.Who {
			p.Until = n.Until
			return
		}
	}
	i.pending = append(i.pending, n)
}

// next is an incident that is to be told; those that are known are forgotten.
func (i *incidents) next(s *runlog.State) (runlog.FaultNote, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for len(i.pending) > 0 {
		if n := i.pending[0]; !s.Paused && !known(s, n) {
			return n, true
		}
		i.pending = i.pending[1:] // while a run is paused nothing can be missed
	}
	return runlog.FaultNote{}, false
}

// hear takes in a record of the run: whose decision it is, if it is one, tells who goes on with it.
func (i *incidents) hear(h runlog.Header, e runlog.Entry, decision bool, me string) {
	i.last = e.Time
	if !decision {
		return
	}
	switch h.Kind {
	case subjects.KindEnvState, subjects.KindFault: // nobody's decisions
	case subjects.KindPaused:
		i.other = ""
	case subjects.KindResumed: // it may be one of a coordinator that is gone, which was held until now
	default:
		if h.Writer != me { // else it stays until it is told
			i.other, i.seen = h.Writer, e.Time
		}
	}
}

// live is called when all records there are have been heard.
func (i *incidents) live(s *runlog.State, leader, me string) {
	switch {
	case s.Paused || leader == "":
	case i.found && leader == me:
		i.other, i.seen = me, i.last
	case i.other != "":
		i.seen = i.last
	}
}

// noteFaults puts what this coordinator saw into the log, one incident at a time, and reports whether it did. d.mu is held,
// and this coordinator leads.
func (d *driver) noteFaults(ctx context.Context) (bool, error) {
	i, s := &d.faults, &d.fold.State
	if s.Paused || !d.svc.nc.IsConnected() {
		return false, nil
	}
	if i.other != "" {
		what := fmt.Sprintf("%s was gone; %s goes on with the run", i.other, d.svc.cfg.ID)
		if i.other == d.svc.cfg.ID {
			what = i.other + " was gone, and is back"
		}
		i.add(runlog.FaultNote{At: i.seen, Until: later(i.seen, time.Now()), Who: "coordinator", What: what})
		i.other = ""
	}
	n, ok := i.next(s)
	if !ok {
		return false, nil
	}
	return true, d.append(ctx, subjects.KindFault, s.Round, 0, n)
}

// later is the later of two times.
func later(a, b time.Time) time.Time {
	if b.Before(a) {
		return a
	}
	return b
}

// follows notes that another coordinator leads.
func (d *driver) follows() {
	w := &d.svc.peers
	w.mu.Lock()
	defer w.mu.Unlock()
	if said := w.words[peerRun{d.leader, d.id}]; said != nil && said.drives && !said.at.IsZero() && d.faults.other == d.leader {
		d.faults.seen = later(d.faults.seen, said.at)
	}
}

// watchBroker notes when the connection was lost and when it was back.
func (s *Service) watchBroker(ctx context.Context) {
	changed := s.nc.StatusChanged(nats.RECONNECTING, nats.CONNECTED)
	defer s.nc.RemoveStatusListener(changed)
	var lost time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case status, open := <-changed:
			switch {
			case !open:
				return
			case status != nats.CONNECTED:
				if lost.IsZero() {
					lost = time.Now()
				}
			case !lost.IsZero():
				s.incident(runlog.FaultNote{At: lost, Until: time.Now(), Who: "broker", What: "could not be reached, and came back"})
				lost = time.Time{}
			}
		}
	}
}

// incident tells all drivers of something that happened to all runs.
func (s *Service) incident(n runlog.FaultNote) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.drivers {
		d.faults.add(n)
		d.wake()
	}
}

// longestWord bounds the texts of a report, which are shown to people.
const longestWord = 300

// hearFault puts what a service reports into the log of a run. It returns when it is there, or was before.
func (s *Service) hearFault(ctx context.Context, f control.Fault) error {
	n := runlog.FaultNote{At: f.At, Until: later(f.At, f.Until), Who: f.Who, What: f.What}
	if n.Who == "" || n.What == "" || n.At.IsZero() || len(n.Who) > longestWord || len(n.What) > longestWord {
		return &control.Problem{Code: codeInvalid, Detail: "a fault needs at, who and what, and no more than 300 bytes of each"}
	}
	for {
		st, err := s.read(ctx, f.Run)
		if err != nil {
			return err
		}
		if st.Phase.Over() || known(st, n) {
			return nil
		}
		h := runlog.Header{Kind: subjects.KindFault, Run: f.Run, Round: st.Round, Writer: s.cfg.ID}
		_, err = runlog.AppendControl(ctx, s.js, h, n, st.CtlSeq)
		if !errors.Is(err, runlog.ErrConflict) {
			return err
		}
	}
}
