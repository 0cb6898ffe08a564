package hubs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// historyBytes bounds the messages of one reply, as JSON. A single one may have more; see maxMessage.
const historyBytes = 512 << 10

// past is one record in the reply of history.
type past struct {
	Seq     uint64           `json:"seq"`
	Kind    string           `json:"kind"`
	Sender  subjects.Address `json:"sender,omitempty"`
	Message json.RawMessage  `json:"message"` // a message; as a text with its JSON if it is nested too deeply to be part of another
}

// history reads the records of a hub after a sequence, those of an earlier hub of the same name left out.
func (s store) history(ctx context.Context, subject string, created uint64, v *verb) (any, error) {
	list := []past{}
	next, size := max(v.after, created-1), 0
	var failed error
	for more := true; more && len(list) < v.limit && size < historyBytes && failed == nil; {
		var err error
		more, err = s.read(ctx, subject, next+1, v.limit-len(list), historyBytes-size, func(r record) bool {
			entry, known, err := r.past()
			if err != nil {
				failed = err
				return false
			}
			if known && size > 0 && size+len(entry.Message) > historyBytes {
				size = historyBytes
				return false
			}
			if next = r.seq; known {
				list = append(list, entry)
				size += len(entry.Message)
			}
			if known && r.kind == subjects.SaidDeleted {
				size = historyBytes
				return false
			}
			return true
		})
		if err != nil {
			return nil, fmt.Errorf("%w: %w", wire.ErrUnavailable, err)
		}
	}
	return map[string]any{"messages": list, "next": next}, failed
}

// past is the record as history shows it; known is false for what somebody else put on the subject.
func (r *record) past() (entry past, known bool, err error) {
	switch r.kind {
	case subjects.SaidCreated, subjects.SaidJoined, subjects.SaidLeft, subjects.SaidMessage, subjects.SaidAnnouncement, subjects.SaidDeleted:
	default:
		return past{}, false, nil
	}
	m, err := r.said()
	if err != nil {
		return past{}, false, nil //nolint:nilerr // what cannot be read was not said; readers of the stream leave it out as well
	}
	text, err := msg.JSON.Encode(m)
	if err != nil {
		return past{}, false, fmt.Errorf("record %d: %w", r.seq, err)
	}
	entry = past{Seq: r.seq, Kind: r.kind, Sender: r.sender, Message: text}
	if _, err := msg.Data([]any{map[string]any{"": entry}}); errors.Is(err, msg.ErrTooDeep) {
		entry.Message, err = json.Marshal(string(text))
		return entry, true, err
	}
	return entry, true, nil
}

// participantsReply is the reply of participants.
func participantsReply(v *verb, in []participant) any {
	in = in[:min(len(in), v.limit)]
	next := v.after
	if len(in) > 0 {
		next = in[len(in)-1].Joined
	}
	return map[string]any{"participants": in, "next": next}
}
