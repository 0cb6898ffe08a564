package actor

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// order is a request to the host about the agents of a run.
type order struct {
	rt      *Runtime
	runName string
	run     *run // nil until it is known that the host has, or gets, something in it
	raw     *nats.Msg
	read    wire.Request
	key     key // with an id in it, if the request has one
}

// args are what the verbs of a host take.
type args struct {
	Name    string          `json:"name"`
	Kind    string          `json:"kind"`
	Config  json.RawMessage `json:"config,omitempty"`
	Process bool            `json:"process,omitempty"`
	From    string          `json:"from,omitempty"`
	To      string          `json:"to,omitempty"`
	Hub     string          `json:"hub,omitempty"`
	Child   bool            `json:"child,omitempty"` // of a host to its child: it has to be done there
}

// manage takes a request to the host, on the goroutine of the subscription.
func (rt *Runtime) manage(ctx context.Context, m *nats.Msg) {
	runName, _, verb, err := subjects.ParseHost(m.Subject)
	if err == nil && runName == "" {
		err = fmt.Errorf("a run needs a name")
	}
	if err != nil {
		rt.answerRaw(m, fmt.Errorf("%w: %w", wire.ErrBadRequest, err))
		return
	}
	read, err := wire.Read(m)
	o := &order{rt: rt, runName: runName, raw: m, read: read}
	if err != nil {
		o.reply(result{err: err})
		return
	}
	var in args
	if len(read.Msgs) > 1 {
		o.reply(result{err: fmt.Errorf("%w: %s takes one message, not %d", wire.ErrBadRequest, verb, len(read.Msgs))})
		return
	}
	if len(read.Msgs) == 1 && read.Msgs[0].Content.Kind() != msg.KindNone {
		if err := read.Msgs[0].Content.Decode(&in); err != nil {
			o.reply(result{err: fmt.Errorf("%w: %s: %w", wire.ErrBadRequest, verb, err)})
			return
		}
	}
	if verb == subjects.VerbDelete && !in.Child && rt.cfg.parent != "" && in.Name == rt.cfg.agent {
		o.forward(verb)
		return
	}
	switch verb {
	case subjects.VerbList:
		o.list()
		return
	case subjects.VerbPing:
		o.reply(rt.data(map[string]any{"uptime": time.Since(rt.begun).Milliseconds()}))
		return
	}
	if err := rt.load.take(len(m.Data)); err != nil {
		o.reply(result{err: err})
		return
	}
	if read.ID != "" {
		o.key = key{run: runName, id: read.ID}
		if isNew, _ := rt.outcomes.begin(o.key, o.answer); !isNew {
			return
		}
	}
	switch verb {
	case subjects.VerbCreate:
		err = o.create(ctx, in)
	case subjects.VerbDelete:
		err = o.delete(ctx, in)
	case subjects.VerbClone:
		err = o.clone(ctx, in)
	case subjects.VerbHear:
		err = o.hear(ctx, in)
	}
	if err != nil {
		o.finish(result{err: err}, false)
	}
}

func (o *order) reply(r result) { o.rt.answer(o.raw, o.read.Encoding, r.out, r.err) }

// answer is reply for a request that took room.
func (o *order) answer(r result) {
	o.rt.load.give(len(o.raw.Data))
	o.reply(r)
}

// forward hands a request to the host that looks after this process, which answers it: only that host can end the process.
func (o *order) forward(verb string) {
	m := nats.NewMsg(subjects.Host(o.runName, o.rt.cfg.parent, verb))
	m.Reply, m.Header, m.Data = o.raw.Reply, o.raw.Header, o.raw.Data
	if err := o.rt.nc.PublishMsg(m); err != nil {
		o.reply(result{err: fmt.Errorf("%w: host %s: %w", wire.ErrUnavailable, o.rt.cfg.parent, err)})
	}
}

// finish answers the request and those that were sent again meanwhile. kept says that it is the outcome of the request id.
func (o *order) finish(r result, kept bool) {
	o.answer(r)
	switch {
	case o.key.id == "":
	case kept:
		o.rt.outcomes.end(o.key, r)
	default:
		o.rt.outcomes.drop(o.key, r.err)
	}
}

// data makes an answer of what encoding/json sees in v.
func (rt *Runtime) data(v any) result { return hostData(rt.cfg.Host, v) }

func hostData(host string, v any) result {
	content, err := msg.Data(v)
	if err != nil {
		return result{err: err}
	}
	return result{out: msg.New(host, msg.RoleSystem, content)}
}

// addressed is the answer to who made an agent.
func (a *actor) addressed() result { return a.run.rt.data(map[string]any{"address": a.address}) }

// list answers with the agents of the run.
func (o *order) list() {
	infos := []agent.Info{}
	for _, a := range o.rt.knownRun(o.runName).all() {
		waiting, handled := a.counts()
		infos = append(infos, agent.Info{
			Name: a.name, Kind: a.kind, Address: a.address, Process: a.process, Waiting: waiting, Handled: handled,
		})
	}
	o.reply(o.rt.data(map[string]any{"agents": infos}))
}
