package environment

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Keys of a timeline's state.
const (
	timeNow    = "now"
	timeNext   = "next"   // number of the event that was scheduled last
	timeEvent  = "event:" // + number: {id, at, name, data, every}
	timeListen = "sub:"   // + address: the name of the events, or all
)

// maxDue is how many events one advance may let happen; more are an error, and nothing happens.
const maxDue = 10_000

// timeConfig is the configuration of kind "timeline".
type timeConfig struct {
	Start float64 `json:"start"`
}

// NewTimeline is the kind "timeline": events at logical times. Time stands still until somebody advances it; what is due
// then happens in order and is told to those who subscribed. Its configuration is {"start": the first time}.
func NewTimeline(config []byte) (*Code, error) {
	var c timeConfig
	if err := strict(config, &c); err != nil {
		return nil, at("config", err)
	}
	return &Code{
		Init: func(tx Tx) error { return tx.Set(timeNow, c.Start) },
		Functions: map[string]Function{
			"now": {Do: func(tx Tx, _ Args) (any, error) { return timeOf(tx), nil }, About: "the logical time"},
			"schedule": {Args: []string{"name", "at?", "after?", "every?", "data?"}, Do: timeSchedule,
				About: "has an event happen at a time, or after some time, and again each every; returns {id, at}"},
			"cancel": {Args: []string{"id"}, Do: timeCancel, About: "takes an event back"},
			"upcoming": {Args: []string{"limit?"}, Do: timeUpcoming,
				About: "what is scheduled, soonest first: [{id, at, name, data, every}]"},
			"advance": {Args: []string{"to?", "by?"}, Do: timeAdvance,
				About: "moves time forward; returns {now, events: what happened, in order}"},
			"subscribe": {Args: []string{"name?", "who?"}, Do: timeSubscribe,
				About: "has the caller (or who) told of events of a name, or of all"},
			"unsubscribe": {Args: []string{"who?"}, Do: timeUnsubscribe, About: "ends that"},
		},
	}, nil
}

func timeOf(tx Tx) float64 {
	v, _ := tx.Get(timeNow)
	f, _ := float(v)
	return f
}

func timeSchedule(tx Tx, args Args) (any, error) {
	name, err := args.Text("name")
	if err != nil {
		return nil, err
	}
	if args.Has("at") == args.Has("after") {
		return nil, fmt.Errorf("%w: either at or after", ErrBadRequest)
	}
	when, err := args.Number("at")
	if err != nil {
		return nil, err
	}
	if args.Has("after") {
		if when, err = args.Number("after"); err != nil {
			return nil, err
		}
		when += timeOf(tx)
	}
	if when < timeOf(tx) {
		return nil, fmt.Errorf("%w: it is %v already; %v is over", ErrBadRequest, timeOf(tx), when)
	}
	every, err := args.Number("every")
	if err != nil {
		return nil, err
	}
	if args.Has("every") && every <= 0 {
		return nil, fmt.Errorf("%w: every: %v is not more than 0", ErrBadRequest, every)
	}
	id := number(tx, timeNext) + 1
	if err := tx.Set(timeNext, id); err != nil {
		return nil, err
	}
	e := map[string]any{"id": id, "at": when, "name": name}
	for _, field := range []string{"data", "every"} {
		if args.Has(field) {
			e[field] = args[field]
		}
	}
	return map[string]any{"id": id, "at": when}, tx.Set(eventKey(id), e)
}

func eventKey(id int64) string { return fmt.Sprintf("%s%012d", timeEvent, id) }

func timeCancel(tx Tx, args Args) (any, error) {
	id, err := args.Int("id")
	if err != nil {
		return nil, err
	}
	if !tx.Delete(eventKey(id)) {
		return nil, fmt.Errorf("%w: no event %d is scheduled", ErrBadRequest, id)
	}
	return nil, nil
}

// scheduled lists the events, soonest first, those of one time in the order in which they were scheduled.
func scheduled(tx Tx) []map[string]any {
	var out []map[string]any
	for _, key := range tx.Keys(timeEvent) {
		v, _ := tx.Get(key)
		if e, ok := v.(map[string]any); ok {
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, soonest)
	return out
}

func soonest(a, b map[string]any) int {
	x, _ := float(a["at"])
	y, _ := float(b["at"])
	i, _ := a["id"].(int64)
	j, _ := b["id"].(int64)
	return cmp.Or(cmp.Compare(x, y), cmp.Compare(i, j))
}

func timeUpcoming(tx Tx, args Args) (any, error) {
	limit, err := args.Int("limit")
	if err != nil {
		return nil, err
	}
	all := scheduled(tx)
	if limit > 0 {
		all = all[:min(int64(len(all)), limit)]
	}
	return all, nil
}

func timeAdvance(tx Tx, args Args) (any, error) {
	if args.Has("to") == args.Has("by") {
		return nil, fmt.Errorf("%w: either to or by", ErrBadRequest)
	}
	to, err := args.Number("to")
	if err != nil {
		return nil, err
	}
	if args.Has("by") {
		if to, err = args.Number("by"); err != nil {
			return nil, err
		}
		to += timeOf(tx)
	}
	if to < timeOf(tx) {
		return nil, fmt.Errorf("%w: it is %v already; time does not go back to %v", ErrBadRequest, timeOf(tx), to)
	}
	happened, err := due(tx, to)
	if err != nil {
		return nil, err
	}
	if err := tx.Set(timeNow, to); err != nil {
		return nil, err
	}
	if err := tellSubscribers(tx, happened); err != nil {
		return nil, err
	}
	return map[string]any{"now": to, "events": happened}, nil
}

// due takes what is due until a time off the schedule, in order. What repeats is scheduled again, and may be due again.
func due(tx Tx, to float64) ([]map[string]any, error) {
	waiting := scheduled(tx)
	happened := []map[string]any{}
	for len(waiting) > 0 {
		e := waiting[0]
		when, _ := float(e["at"])
		if when > to {
			break
		}
		waiting = waiting[1:]
		if happened = append(happened, e); len(happened) > maxDue {
			return nil, fmt.Errorf("%w: more than %d events are due until %v; advance in smaller steps", ErrTooLarge, maxDue, to)
		}
		id, _ := e["id"].(int64)
		every, _ := float(e["every"])
		if every <= 0 {
			tx.Delete(eventKey(id))
			continue
		}
		again := maps.Clone(e)
		if when+every == when {
			return nil, fmt.Errorf("%w: event %d repeats each %v, which does not move time on from %v", ErrBadRequest, id, every, when)
		}
		again["at"] = when + every
		if err := tx.Set(eventKey(id), again); err != nil {
			return nil, err
		}
		place, _ := slices.BinarySearchFunc(waiting, again, soonest)
		waiting = slices.Insert(waiting, place, again)
	}
	return happened, nil
}

// tellSubscribers tells each subscriber of each event it wants to hear of, in order.
func tellSubscribers(tx Tx, happened []map[string]any) error {
	subscribers := map[string][]subjects.Address{}
	for _, key := range tx.Keys(timeListen) {
		v, _ := tx.Get(key)
		name, _ := v.(string)
		subscribers[name] = append(subscribers[name], subjects.Address(key[len(timeListen):]))
	}
	for _, e := range happened {
		name, _ := e["name"].(string)
		to := subscribers[all]
		if name != all {
			to = slices.Concat(to, subscribers[name])
		}
		if len(to) == 0 {
			continue
		}
		content, err := msg.Data(e)
		if err != nil {
			return fmt.Errorf("%w: event %v: %w", ErrFailed, e["id"], err)
		}
		if err := tx.Tell(Tell{To: to, Listener: name, Msg: msg.Msg{
			Name: tx.Env(), Role: msg.RoleUser, Content: content, Time: tx.Now(), Metadata: map[string]any{"environment": tx.Env()},
		}}); err != nil {
			return err
		}
	}
	return nil
}

// all is what a subscriber to all events has subscribed to.
const all = "*"

func timeSubscribe(tx Tx, args Args) (any, error) {
	name, err := args.Text("name")
	if err != nil {
		return nil, err
	}
	if name == "" {
		name = all
	}
	me, err := subscriber(tx, args)
	if err != nil {
		return nil, err
	}
	return nil, tx.Set(timeListen+string(me), name)
}

func timeUnsubscribe(tx Tx, args Args) (any, error) {
	me, err := subscriber(tx, args)
	if err != nil {
		return nil, err
	}
	tx.Delete(timeListen + string(me))
	return nil, nil
}

func subscriber(tx Tx, args Args) (subjects.Address, error) {
	name, err := who(tx, args)
	if err != nil {
		return "", err
	}
	if err := subjects.Address(name).Check(); err != nil {
		return "", fmt.Errorf("%w: who: %w", ErrBadRequest, err)
	}
	return subjects.Address(name), nil
}
