package coordinator

import (
	"encoding/hex"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/myriad-sim/myriad/internal/report"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Events are control records as the API shows them: the head of every event and the body of its kind.

// EventHead is what every recorded event begins with.
type EventHead struct {
	Seq   uint64    `json:"seq" doc:"Place in the run log; it is the event's id."`
	Time  time.Time `json:"time" doc:"When it was recorded."`
	Run   string    `json:"run"`
	Round int       `json:"round" doc:"The round it is about; 0 before the first."`
}

type createdEvent struct {
	EventHead
	runlog.Created
}

type populatedEvent struct {
	EventHead
	runlog.Populated
}

type leaseEvent struct {
	EventHead
	runlog.Lease
	Epoch uint64 `json:"epoch" doc:"Answers to these shards count under this epoch."`
}

type openedEvent struct {
	EventHead
	runlog.Opened
}

type closedEvent struct {
	EventHead
	ResultHash string                    `json:"result_hash" doc:"Hash of all rounds up to this one."`
	Accepted   uint64                    `json:"accepted" doc:"Answers that count."`
	Asked      uint64                    `json:"asked" doc:"Questions asked of agents, repeats included."`
	Duplicates uint64                    `json:"duplicates" doc:"Answers dropped because an earlier one counted."`
	Calls      uint64                    `json:"calls" doc:"Model calls behind the answers that count."`
	Retries    uint64                    `json:"retries"`
	TokensIn   uint64                    `json:"tokens_in"`
	TokensOut  uint64                    `json:"tokens_out"`
	Questions  map[string]report.Outcome `json:"questions" doc:"By question id. Winners are told by env.state."`
}

type envStateEvent struct {
	EventHead
	runlog.EnvState
}

type reasonEvent struct {
	EventHead
	Reason     string    `json:"reason"`
	Waiting    bool      `json:"waiting,omitempty" doc:"Paused until a server of a model is back; the run then goes on by itself."`
	Budget     bool      `json:"budget,omitempty" doc:"Paused because the budget is spent."`
	Caps       *capsBody `json:"caps,omitempty" doc:"Resumed with these caps."`
	ResultHash string    `json:"result_hash,omitempty" doc:"Of a finished run."`
}

type progressEvent struct {
	Time time.Time `json:"time"`
	Run  string    `json:"run"`
	Progress
}

const kindProgress = "progress"

// eventTypes are the kinds of events and their data.
var eventTypes = map[string]reflect.Type{
	subjects.KindCreated:   reflect.TypeFor[createdEvent](),
	subjects.KindPopulated: reflect.TypeFor[populatedEvent](),
	subjects.KindLease:     reflect.TypeFor[leaseEvent](),
	subjects.KindOpened:    reflect.TypeFor[openedEvent](),
	subjects.KindClosed:    reflect.TypeFor[closedEvent](),
	subjects.KindEnvState:  reflect.TypeFor[envStateEvent](),
	subjects.KindPaused:    reflect.TypeFor[reasonEvent](),
	subjects.KindResumed:   reflect.TypeFor[reasonEvent](),
	subjects.KindCancelled: reflect.TypeFor[reasonEvent](),
	subjects.KindFinished:  reflect.TypeFor[reasonEvent](),
	subjects.KindFailed:    reflect.TypeFor[reasonEvent](),
	kindProgress:           reflect.TypeFor[progressEvent](),
	kindBudget:             reflect.TypeFor[budgetEvent](),
}

// decodeEvent reads a control record. A kind of a later version has a head and nothing else.
func decodeEvent(e runlog.Entry) (kind string, data any, err error) {
	h, body, err := runlog.Decode(e.Data)
	if err != nil {
		return "", nil, err
	}
	head := EventHead{Seq: e.Seq, Time: e.Time.UTC(), Run: h.Run, Round: h.Round}
	read := func(to any) {
		if err = msgpack.Unmarshal(body, to); err != nil {
			err = fmt.Errorf("%w: %s: %w", runlog.ErrDamaged, h.Kind, err)
		}
	}
	switch h.Kind {
	case subjects.KindCreated:
		d := createdEvent{EventHead: head}
		read(&d.Created)
		data = d
	case subjects.KindPopulated:
		d := populatedEvent{EventHead: head}
		read(&d.Populated)
		data = d
	case subjects.KindLease:
		d := leaseEvent{EventHead: head, Epoch: h.Epoch}
		read(&d.Lease)
		data = d
	case subjects.KindOpened:
		d := openedEvent{EventHead: head}
		read(&d.Opened)
		data = d
	case subjects.KindClosed:
		var c runlog.Closed
		read(&c)
		data = newClosedEvent(head, c)
	case subjects.KindEnvState:
		d := envStateEvent{EventHead: head}
		read(&d.EnvState)
		data = d
	case subjects.KindPaused, subjects.KindResumed, subjects.KindCancelled, subjects.KindFinished, subjects.KindFailed:
		var r runlog.Reason
		read(&r)
		data = reasonEvent{
			EventHead: head, Reason: r.Reason, Waiting: r.Waiting, Budget: r.Budget, Caps: newCapsBody(r.Caps), ResultHash: hex.EncodeToString(r.Hash),
		}
	default:
		data = head
	}
	return h.Kind, data, err
}

func newClosedEvent(head EventHead, c runlog.Closed) closedEvent {
	d := closedEvent{
		EventHead: head, ResultHash: hex.EncodeToString(c.Chain), Accepted: c.Accepted, Asked: c.Asked, Duplicates: c.Duplicates,
		Calls: c.Calls, Retries: c.Retries, TokensIn: c.TokensIn, TokensOut: c.TokensOut, Questions: map[string]report.Outcome{},
	}
	for _, q := range c.Questions {
		d.Questions[q.ID] = report.NewOutcome(q.Summary)
	}
	return d
}

// terminal reports whether nothing comes after an event of the kind.
func terminal(kind string) bool {
	return kind == subjects.KindFinished || kind == subjects.KindCancelled || kind == subjects.KindFailed
}

// eventSchema describes the stream: one alternative for each kind of event.
func eventSchema(api huma.API) *huma.Schema {
	registry := api.OpenAPI().Components.Schemas
	s := &huma.Schema{Title: "Server-sent events"}
	for _, kind := range slices.Sorted(maps.Keys(eventTypes)) {
		s.OneOf = append(s.OneOf, &huma.Schema{
			Title: kind, Type: huma.TypeObject, Required: []string{"event", "data"},
			Properties: map[string]*huma.Schema{
				"event": {Type: huma.TypeString, Enum: []any{kind}},
				"id":    {Type: huma.TypeInteger, Description: "Place in the run log; progress and budget have none."},
				"data":  registry.Schema(eventTypes[kind], true, ""),
			},
		})
	}
	return s
}
