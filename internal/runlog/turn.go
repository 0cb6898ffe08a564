package runlog

import (
	"bytes"
	"fmt"

	"github.com/myriad-sim/myriad/pkg/subjects"
)

// turn applies the records that stop a run or set it going again.
func (f *Fold) turn(h Header, body []byte, e Entry) error {
	var b Reason
	if err := decodeBody(body, &b); err != nil {
		return err
	}
	switch h.Kind {
	case subjects.KindPaused:
		f.pause(b, e)
	case subjects.KindResumed:
		f.Paused, f.Waiting = false, false
		if b.Caps != nil {
			f.Caps, f.CapsSeq = b.Caps, e.Seq
		}
	case subjects.KindCancelled:
		f.Phase, f.EndedAt = PhaseCancelled, e.Time
	case subjects.KindFailed:
		f.Phase, f.EndedAt = PhaseFailed, e.Time
	case subjects.KindFinished:
		if f.Phase != PhaseReady || f.Round == 0 || !bytes.Equal(b.Hash, f.Chain) {
			return fmt.Errorf("%w: finished after round %d with result hash %x, the log has %x", ErrOrder, f.Round, b.Hash, f.Chain)
		}
		f.Phase, f.EndedAt, f.Hash = PhaseFinished, e.Time, b.Hash
	default:
		return fmt.Errorf("%w: unknown control kind %q", ErrVersion, h.Kind)
	}
	f.Reason = b.Reason
	return nil
}

// pause applies a paused record. A run that waits for a server goes on by itself, so a pause for another reason ends the
// waiting, and waiting does not begin in a run that is paused already. However often it is said, it is one fault.
func (f *Fold) pause(b Reason, e Entry) {
	waiting := b.Waiting && (!f.Paused || f.Waiting)
	if b.Shortfall {
		f.ShortIn = f.Opening()
	}
	if !b.Budget && (b.Shortfall || b.Trouble && !b.Waiting || waiting && !f.Waiting) {
		f.fault(e.Time, "paused: "+b.Reason)
	}
	f.Paused, f.Waiting = true, waiting
}
