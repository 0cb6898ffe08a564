package hubs

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Verbs of a hub.
const (
	verbCreate       = "create"
	verbAdd          = "add"
	verbDelete       = "delete"
	verbBroadcast    = "broadcast"
	verbAnnounce     = "announce"
	verbParticipants = "participants"
	verbHistory      = "history"
	verbClose        = "close"
)

var verbs = []string{verbCreate, verbAdd, verbDelete, verbBroadcast, verbAnnounce, verbParticipants, verbHistory, verbClose}

// Bounds on what a request may ask for.
const (
	maxName         = 128       // bytes of the names of a run and a hub
	maxAddress      = 512       // bytes
	maxMessage      = 128 << 10 // bytes of a message; as JSON in a history it may be six times that
	maxParticipants = 100_000
	maxListed       = 1000 // messages or participants in one reply
	listed          = 256  // if the request says nothing
)

// verb is one request to a hub.
type verb struct {
	run, hub, name string
	id             string
	sender         subjects.Address
	deadline       time.Time // zero: none
	addresses      []subjects.Address
	members        [][]byte // the records about addresses
	said           [][]byte // messages of a broadcast or announcement
	note           []byte   // the record that something was created or deleted
	after          uint64
	limit          int
	bytes          int // of what it would append
	answer         func(content any, err error)
}

// records is how many records the verb appends at most.
func (v *verb) records() int { return len(v.members) + len(v.said) + min(len(v.note), 1) }

// readVerb reads a request, but for messages that it says: those may be promises.
func readVerb(m *nats.Msg) (*verb, wire.Request, error) {
	r, err := wire.Read(m)
	if err != nil {
		return nil, r, err
	}
	v := &verb{id: r.ID, sender: r.Sender, deadline: r.Deadline}
	if v.run, v.hub, v.name, err = subjects.ParseHubCall(m.Subject); err != nil {
		return nil, r, bad(err)
	}
	if len(v.run) > maxName || len(v.hub) > maxName {
		return nil, r, fmt.Errorf("%w: a name has %d bytes at most", wire.ErrBadRequest, maxName)
	}
	switch v.name {
	case verbCreate:
		err = v.readCreate(r)
	case verbAdd, verbDelete:
		err = v.readAddresses(r)
	case verbClose:
		v.note, err = about(v.hub, struct{}{})
	case verbParticipants, verbHistory:
		err = v.readRange(r)
	case verbBroadcast, verbAnnounce:
		if n := len(r.Msgs); n == 0 || n > bus.MaxBatchMsgs {
			err = fmt.Errorf("%w: %d messages; a %s has 1 to %d", wire.ErrBadRequest, n, v.name, bus.MaxBatchMsgs)
		}
	default:
		err = fmt.Errorf("%w: a hub has no verb %q; it has %s", wire.ErrNoFunction, v.name, strings.Join(verbs, ", "))
	}
	return v, r, err
}

// arguments decodes the content of a request into a struct. A request without any is one with nothing set.
func arguments(r wire.Request, into any) error {
	switch {
	case len(r.Msgs) == 0 || len(r.Msgs) == 1 && r.Msgs[0].Content.Kind() == msg.KindNone && !r.Msgs[0].Pending():
		return nil
	case len(r.Msgs) > 1:
		return fmt.Errorf("%w: %d messages; the arguments are the content of one", wire.ErrBadRequest, len(r.Msgs))
	}
	if err := r.Msgs[0].Content.Decode(into); err != nil {
		return bad(err)
	}
	return nil
}

func (v *verb) readCreate(r wire.Request) error {
	var args struct {
		Announcement json.RawMessage `json:"announcement"`
	}
	err := arguments(r, &args)
	if err != nil {
		return err
	}
	if v.note, err = about(v.hub, struct{}{}); err != nil {
		return bad(err)
	}
	if len(args.Announcement) == 0 || string(args.Announcement) == "null" {
		return nil
	}
	var m msg.Msg
	var text string
	if json.Unmarshal(args.Announcement, &text) == nil {
		m = msg.New(v.hub, msg.RoleSystem, msg.Text(text))
	} else if err := json.Unmarshal(args.Announcement, &m); err != nil {
		return fmt.Errorf("%w: announcement is neither a text nor a message: %w", wire.ErrBadRequest, err)
	}
	if m.Pending() {
		return fmt.Errorf("%w: a promise cannot be announced here; create the hub and use %s", wire.ErrBadRequest, verbAnnounce)
	}
	return v.say([]msg.Msg{m})
}

func (v *verb) readAddresses(r wire.Request) error {
	var args struct {
		Addresses []subjects.Address `json:"addresses"`
	}
	if err := arguments(r, &args); err != nil {
		return err
	}
	if n := len(args.Addresses); n == 0 || n > bus.MaxBatchMsgs {
		return fmt.Errorf("%w: %d addresses; a request has 1 to %d", wire.ErrBadRequest, n, bus.MaxBatchMsgs)
	}
	return v.setAddresses(args.Addresses)
}

// setAddresses says who joins or leaves; each once, however often it is named.
func (v *verb) setAddresses(list []subjects.Address) error {
	seen := make(map[subjects.Address]bool, len(list))
	for _, a := range list {
		if err := a.Check(); err != nil {
			return bad(err)
		}
		if len(a) > maxAddress {
			return fmt.Errorf("%w: an address has %d bytes at most", wire.ErrBadRequest, maxAddress)
		}
		if seen[a] {
			continue
		}
		seen[a] = true
		data, err := about(v.hub, member{a})
		if err != nil {
			return bad(err)
		}
		v.addresses, v.members = append(v.addresses, a), append(v.members, data)
		v.bytes += len(data)
	}
	return nil
}

func (v *verb) readRange(r wire.Request) error {
	var args struct {
		After uint64 `json:"after"`
		Limit int    `json:"limit"`
	}
	if err := arguments(r, &args); err != nil {
		return err
	}
	if args.Limit < 0 {
		return fmt.Errorf("%w: limit %d", wire.ErrBadRequest, args.Limit)
	}
	if args.Limit == 0 {
		args.Limit = listed
	}
	v.after, v.limit = args.After, min(args.Limit, maxListed)
	return nil
}

// say encodes what a verb says. A message without an ID, a name or a time gets one.
func (v *verb) say(list []msg.Msg) error {
	v.said = make([][]byte, len(list))
	for i, m := range list {
		fresh := msg.New(v.hub, m.Role, m.Content)
		if _, name, ok := v.sender.Code(); ok {
			fresh.Name = name
		}
		if m.ID == "" {
			m.ID = fresh.ID
		}
		if m.Name == "" {
			m.Name = fresh.Name
		}
		if m.Time.IsZero() {
			m.Time = fresh.Time
		}
		data, err := msg.Msgpack.Encode(m)
		if err != nil {
			return bad(err)
		}
		if len(data) > maxMessage {
			return fmt.Errorf("%w: message %d has %d bytes, the limit is %d", wire.ErrTooLarge, i+1, len(data), maxMessage)
		}
		v.said[i] = data
		v.bytes += len(data)
	}
	return nil
}

func bad(err error) error { return fmt.Errorf("%w: %w", wire.ErrBadRequest, err) }
