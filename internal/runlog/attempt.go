package runlog

import (
	"fmt"

	"github.com/vmihailenco/msgpack/v5"
)

// Attempt is one call on the way to an answer that is not simply its one completion, kept so that a run can be replayed. It
// is a msgpack array; the fields behind the first three are left out where they say nothing.
type Attempt struct {
	Kind    uint8  // llm.Purpose...
	Number  uint32 // a call that a server refused has that of the one after it
	Text    string
	Cut     bool   // the completion ended at a limit of length
	Clipped bool   // it was longer than any reply that is read; Text is how it begins
	Refused string // why a server would not take the content of the call, which has no completion then
}

// attemptFields are always there; allAttemptFields are those that this binary knows.
const (
	attemptFields    = 3
	allAttemptFields = 6
)

// EncodeMsgpack implements msgpack.CustomEncoder.
func (a Attempt) EncodeMsgpack(e *msgpack.Encoder) error {
	if !a.Cut && !a.Clipped && a.Refused == "" {
		if err := e.EncodeArrayLen(attemptFields); err != nil {
			return err
		}
		return e.EncodeMulti(a.Kind, a.Number, a.Text)
	}
	if err := e.EncodeArrayLen(allAttemptFields); err != nil {
		return err
	}
	return e.EncodeMulti(a.Kind, a.Number, a.Text, a.Cut, a.Clipped, a.Refused)
}

// DecodeMsgpack implements msgpack.CustomDecoder.
func (a *Attempt) DecodeMsgpack(d *msgpack.Decoder) error {
	n, err := d.DecodeArrayLen()
	if err != nil {
		return err
	}
	if n < attemptFields {
		return fmt.Errorf("%w: an attempt of %d fields", ErrDamaged, n)
	}
	*a = Attempt{}
	for i, to := range []any{&a.Kind, &a.Number, &a.Text, &a.Cut, &a.Clipped, &a.Refused} {
		if i < n {
			if err := d.Decode(to); err != nil {
				return err
			}
		}
	}
	for i := allAttemptFields; i < n; i++ {
		if err := d.Skip(); err != nil {
			return err
		}
	}
	return nil
}
