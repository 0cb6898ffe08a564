package hub

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"

	"github.com/nats-io/nats.go"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Client is how a hub is reached: the connection and the run. An *agent.Client is one.
type Client interface {
	Conn() *nats.Conn
	Run() string
}

// atOnce is how many addresses or messages go into one request.
const atOnce = 1000

// Hub is a group of agents of a run, by name. It holds nothing and needs no Close to be given up; any number of values may
// stand for the same hub. It is safe for concurrent use.
//
// Every method that changes something draws a request id, so that it can ask again when an answer is lost: what it does is
// done once. It waits until the change is on disk, or ctx is done.
type Hub struct {
	client Client
	name   string
	as     subjects.Address
}

// Open returns the hub of that name in the client's run, and creates it if there is none. The messages are announced if it
// is created.
func Open(ctx context.Context, c Client, name string, announcement ...msg.Msg) (*Hub, error) {
	h := &Hub{client: c, name: name}
	if len(announcement) > 1 {
		return nil, fmt.Errorf("hub %q: %w: one message can be announced with its creation", name, ErrBadRequest)
	}
	args := struct {
		Announcement *msg.Msg `json:"announcement,omitempty"`
	}{}
	if len(announcement) == 1 {
		args.Announcement = &announcement[0]
	}
	if _, err := h.change(ctx, "create", args); err != nil {
		return nil, err
	}
	return h, nil
}

// As returns the same hub for an agent that speaks there.
func (h *Hub) As(speaker subjects.Address) *Hub { return &Hub{h.client, h.name, speaker} }

// Name is the hub's name, unique in its run.
func (h *Hub) Name() string { return h.name }

// Add makes agents participants. Each observes what is said after it joined. It returns the sequences of the records with
// which they did; one who takes part already has none.
func (h *Hub) Add(ctx context.Context, agents ...subjects.Address) ([]uint64, error) {
	return h.members(ctx, "add", agents)
}

// Delete ends the participation of agents. It returns the sequences of the records with which they left.
func (h *Hub) Delete(ctx context.Context, agents ...subjects.Address) ([]uint64, error) {
	return h.members(ctx, "delete", agents)
}

func (h *Hub) members(ctx context.Context, verb string, agents []subjects.Address) ([]uint64, error) {
	var all []uint64
	for list := range slices.Chunk(agents, atOnce) {
		seqs, err := h.change(ctx, verb, map[string]any{"addresses": list})
		if all = append(all, seqs...); err != nil {
			return all, err
		}
	}
	return all, nil
}

// Broadcast says messages, as the agent given to As, which must be a participant. All other participants observe them, next
// to each other. It returns their places in the order of the hub. A promise takes its place when it is kept; the error of
// one that is not is returned, and then nothing was said.
func (h *Hub) Broadcast(ctx context.Context, said ...msg.Msg) ([]uint64, error) {
	return h.say(ctx, "broadcast", said)
}

// Announce is Broadcast in the name of the hub, for which nobody has to be a participant. All participants observe it.
func (h *Hub) Announce(ctx context.Context, said ...msg.Msg) ([]uint64, error) {
	return h.say(ctx, "announce", said)
}

func (h *Hub) say(ctx context.Context, verb string, said []msg.Msg) ([]uint64, error) {
	if len(said) == 0 {
		return nil, nil
	}
	if len(said) > atOnce {
		return nil, fmt.Errorf("hub %q: %s: %w: %d messages, the limit is %d", h.name, verb, ErrTooLarge, len(said), atOnce)
	}
	return h.append(ctx, verb, said)
}

// Close deletes the hub. What was said stays in the stream, but a hub that is created later under the same name begins
// empty, and none of the participants of the old one hears it.
func (h *Hub) Close(ctx context.Context) error {
	_, err := h.append(ctx, "close", nil)
	return err
}

// Participant is an agent that takes part.
type Participant struct {
	Address subjects.Address `json:"address"`
	Joined  uint64           `json:"joined"` // sequence of the record with which it joined
}

// Participants lists who takes part, in the order in which they joined.
func (h *Hub) Participants(ctx context.Context) ([]Participant, error) {
	var all []Participant
	for after := uint64(0); ; {
		var page struct {
			Participants []Participant `json:"participants"`
			Next         uint64        `json:"next"`
		}
		if err := h.read(ctx, "participants", after, &page); err != nil || len(page.Participants) == 0 {
			return all, err
		}
		all, after = append(all, page.Participants...), page.Next
	}
}

// Entry is one record of a hub.
type Entry struct {
	Seq     uint64           `json:"seq"`    // its place in the order of the hub; there are gaps
	Kind    string           `json:"kind"`   // one of the Said constants of pkg/subjects
	Sender  subjects.Address `json:"sender"` // who said it or asked for it; "" for a program that is no agent
	Message msg.Msg          `json:"-"`      // what was said; of joined and left records the content has the address
}

// UnmarshalJSON implements json.Unmarshaler. A message that is nested too deeply to be part of another travels as a text.
func (e *Entry) UnmarshalJSON(data []byte) error {
	type plain Entry
	raw := struct {
		*plain
		Message json.RawMessage `json:"message"`
	}{plain: (*plain)(e)}
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	var text string
	if json.Unmarshal(raw.Message, &text) == nil {
		raw.Message = json.RawMessage(text)
	}
	return json.Unmarshal(raw.Message, &e.Message)
}

// History goes through the records after a sequence (0: from the creation of the hub), oldest first, up to the newest. It
// ends with the first error.
func (h *Hub) History(ctx context.Context, after uint64) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for {
			var page struct {
				Messages []Entry `json:"messages"`
				Next     uint64  `json:"next"`
			}
			if err := h.read(ctx, "history", after, &page); err != nil {
				yield(Entry{}, err)
				return
			}
			for _, e := range page.Messages {
				if !yield(e, nil) {
					return
				}
			}
			if page.Next <= after {
				return
			}
			after = page.Next
		}
	}
}

// change asks for a change that arguments describe.
func (h *Hub) change(ctx context.Context, verb string, args any) ([]uint64, error) {
	m, err := arguments(args)
	if err != nil {
		return nil, fmt.Errorf("hub %q: %s: %w", h.name, verb, err)
	}
	return h.append(ctx, verb, []msg.Msg{m})
}

// append asks for a change and returns the sequences of its records.
func (h *Hub) append(ctx context.Context, verb string, list []msg.Msg) ([]uint64, error) {
	var reply struct {
		Seq []uint64 `json:"seq"`
	}
	err := h.ask(ctx, verb, wire.Request{Msgs: list, ID: newID()}, &reply)
	return reply.Seq, err
}

func (h *Hub) read(ctx context.Context, verb string, after uint64, page any) error {
	m, err := arguments(map[string]any{"after": after, "limit": atOnce})
	if err != nil {
		return fmt.Errorf("hub %q: %s: %w", h.name, verb, err)
	}
	return h.ask(ctx, verb, wire.Request{Msgs: []msg.Msg{m}}, page)
}

func arguments(v any) (msg.Msg, error) {
	c, err := msg.Data(v)
	return msg.Msg{Content: c}, err
}
