package coordinator

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// outages is what llmproxies say of the models of one run. It is not safe for concurrent use.
//
// Its clock is this coordinator's monotonic one, and starts anew with the driver of the run and with each pause: what others
// said before is not known here, so silence must last from there on.
type outages struct {
	down  map[source]said
	back  []string  // models whose servers are back, since the run began to wait
	since time.Time // when listening began
	quiet time.Time // silence means nothing before
}

// source is a proxy that cannot reach any server of a model.
type source struct{ model, from string }

// said is the latest that it said.
type said struct {
	at     time.Time
	reason string
}

// listen begins to listen.
func (o *outages) listen(now time.Time) {
	*o = outages{down: map[source]said{}, since: now, quiet: now.Add(control.OutageSilence)}
}

// wait notes that the run waits from now on. What made it wait may not have been heard here yet.
func (o *outages) wait(now time.Time) { o.back, o.quiet = nil, now.Add(control.OutageSilence) }

// forget drops what was said: somebody wants the run to go on in spite of it.
func (o *outages) forget() { clear(o.down) }

// hear takes in a report.
func (o *outages) hear(r control.Outage, now time.Time) {
	key := source{r.Model, r.From}
	if r.Down {
		o.down[key] = said{now, r.Reason}
		return
	}
	if _, known := o.down[key]; !known {
		return
	}
	delete(o.down, key)
	if !slices.Contains(o.back, r.Model) {
		o.back = append(o.back, r.Model)
	}
	if len(o.down) == 0 { // all who said so took it back, if everybody could be heard
		o.quiet = o.since.Add(control.OutageSilence)
	}
}

// deaf says that nothing could be heard up to now.
func (o *outages) deaf(now time.Time) {
	o.since, o.quiet = now, now.Add(control.OutageSilence)
	for k, v := range o.down {
		v.at = now
		o.down[k] = v
	}
}

// worst is a reason to wait; "" if there is none.
func (o *outages) worst(now time.Time) string {
	maps.DeleteFunc(o.down, func(_ source, s said) bool { return now.Sub(s.at) >= control.OutageSilence })
	if len(o.down) == 0 {
		return ""
	}
	first := slices.MinFunc(slices.Collect(maps.Keys(o.down)), func(a, b source) int {
		return cmp.Or(cmp.Compare(a.model, b.model), cmp.Compare(a.from, b.from))
	})
	why := fmt.Sprintf("model %s: no server can be reached", first.model)
	if reason := o.down[first].reason; reason != "" {
		why += ": " + reason
	}
	return why
}

// over is why a run that waits goes on; "" if it does not yet.
func (o *outages) over(now time.Time) string {
	switch {
	case o.worst(now) != "" || now.Before(o.quiet):
		return ""
	case len(o.back) == 1:
		return fmt.Sprintf("model %s: a server is back", o.back[0])
	case len(o.back) > 1:
		return fmt.Sprintf("models %s: servers are back", strings.Join(slices.Sorted(slices.Values(o.back)), ", "))
	}
	return "no llmproxy says any more that it can reach no server"
}

// wait pauses a run for whose models there are no servers, and sets it going when there are again. It reports whether that
// was all that there is to do.
func (d *driver) wait(ctx context.Context) (bool, error) {
	s, now := &d.fold.State, time.Now()
	if !d.svc.nc.IsConnected() {
		d.outages.deaf(now)
		return true, nil
	}
	if !s.Paused {
		if why := d.outages.worst(now); why != "" {
			return true, d.append(ctx, subjects.KindPaused, s.Round, 0, runlog.Reason{Reason: why, Trouble: true, Waiting: true})
		}
		return false, nil
	}
	if s.Waiting {
		if why := d.outages.over(now); why != "" {
			return true, d.append(ctx, subjects.KindResumed, s.Round, 0, runlog.Reason{Reason: why})
		}
	}
	return true, nil
}

// hearOutage takes in what an llmproxy says of the servers of a model.
func (s *Service) hearOutage(ctx context.Context, r control.Outage) error {
	s.mu.Lock()
	d := s.drivers[r.Run]
	s.mu.Unlock()
	if d == nil { // a run that was just taken up here is reported again
		_, err := s.read(ctx, r.Run)
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.live || d.fold.Scenario == nil {
		return nil // as above
	}
	if d.fold.Scenario.Model(r.Model) == nil {
		return &control.Problem{Code: codeInvalid, Detail: fmt.Sprintf("run %s has no model %.80q", r.Run, r.Model)}
	}
	d.outages.hear(r, time.Now())
	d.wake()
	return nil
}
