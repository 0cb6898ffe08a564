package hubs

import (
	"fmt"

	"github.com/nats-io/nats.go"

	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// record is one entry of a hub's subject.
type record struct {
	seq    uint64 // 0 before it is appended
	kind   string // one of the Said constants, or one that is not known here
	sender subjects.Address
	id     string // of the request that said it; "" for none
	write  string
	data   []byte // a msgpack message
}

// member is the content of records of kind joined and left.
type member struct {
	Address subjects.Address `json:"address"`
}

// readRecord reads a record as it is in the stream. Nothing that anyone could publish there is an error: what is no record
// has a kind that means nothing.
func readRecord(seq uint64, h nats.Header, data []byte) record {
	return record{
		seq: seq, kind: h.Get(subjects.HeaderKind), sender: subjects.Address(h.Get(subjects.HeaderSender)),
		id: h.Get(subjects.HeaderRequestID), write: h.Get(subjects.HeaderWrite), data: data,
	}
}

// message is the record as it is appended to a subject.
func (r *record) message(subject string) *nats.Msg {
	m := nats.NewMsg(subject)
	m.Data = r.data
	m.Header.Set(subjects.HeaderKind, r.kind)
	if r.sender != "" {
		m.Header.Set(subjects.HeaderSender, string(r.sender))
	}
	if r.id != "" {
		m.Header.Set(subjects.HeaderRequestID, r.id)
	}
	return m
}

// said decodes what a record says.
func (r *record) said() (msg.Msg, error) {
	m, err := msg.Msgpack.Decode(r.data)
	if err != nil {
		return m, fmt.Errorf("record %d: %w", r.seq, err)
	}
	return m, nil
}

// member is whom a record of kind joined or left is about; "" if it does not say.
func (r *record) member() subjects.Address {
	var who member
	if m, err := r.said(); err != nil || m.Content.Decode(&who) != nil || who.Address.Check() != nil {
		return ""
	}
	return who.Address
}

// about makes the message of a record that says what changed in a hub.
func about(hub string, content any) ([]byte, error) {
	c, err := msg.Data(content)
	if err != nil {
		return nil, err
	}
	return msg.Msgpack.Encode(msg.New(hub, msg.RoleSystem, c))
}
