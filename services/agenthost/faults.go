package agenthost

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/myriad-sim/myriad/internal/control"
)

// incidents are what went wrong in a run, was made up for here, and is still to be told to a coordinator, who puts it into
// the log: that an llmproxy fell silent with calls of the run. However many calls, it is one incident until it is told.
type incidents struct {
	mu     sync.Mutex
	from   time.Time // zero: there is none
	until  time.Time
	calls  int
	wakeup chan struct{}
}

// add notes that calls go out again, because their llmproxy has been silent for so long.
func (i *incidents) add(silent time.Duration, calls int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.until = time.Now()
	if i.from.IsZero() {
		i.from = i.until.Add(-silent)
	}
	i.calls += calls
	select {
	case i.wakeup <- struct{}{}:
	default:
	}
}

// take takes the incident out; false if there is none.
func (i *incidents) take() (f control.Fault, ok bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.from.IsZero() {
		return f, false
	}
	f = control.Fault{At: i.from, Until: i.until, Who: "llmproxy", What: fmt.Sprintf("fell silent; calls that it had went out again: %d", i.calls)}
	i.from, i.calls = time.Time{}, 0
	return f, true
}

// gatherFaults is how long calls of one llmproxy may take to be given up, one after the other.
const gatherFaults = 300 * time.Millisecond

// tellFaults tells the coordinator of incidents until ctx is done.
func (r *run) tellFaults(ctx context.Context) {
	wait := func(d time.Duration) bool {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(d):
			return true
		}
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.faults.wakeup:
		}
		if !wait(gatherFaults) {
			return
		}
		f, ok := r.faults.take()
		f.Run, f.From = r.id, r.svc.beat.ID
		for ok && r.tellFault(ctx, f) != nil {
			if !wait(tellEvery) {
				return
			}
		}
	}
}

// tellFault tells a coordinator of one incident.
func (r *run) tellFault(ctx context.Context, f control.Fault) error {
	ctx, cancel := context.WithTimeout(ctx, tellTimeout)
	defer cancel()
	err := control.Ask(ctx, r.svc.nc, control.Faults, f, nil)
	if _, refused := errors.AsType[*control.Problem](err); refused {
		r.logger.Warn("fault not recorded", "what", f.What, "error", err)
		return nil // it would be the same again
	}
	return err
}
