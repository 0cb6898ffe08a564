package llmproxy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/myriad-sim/myriad/internal/modelserver"
	"github.com/myriad-sim/myriad/internal/promise"
	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// agentServer is to the fleet a server whose conversations are in envelopes. It asks code agents on the bus.
type agentServer struct {
	nc       *nats.Conn
	promises *promise.Holder
	patience time.Duration // after which a request without an answer goes out again; it doubles
}

// firstPatience is for agents that answer at once. The bus does not say when a program dies with a request, or a reply is
// lost with a broker; whoever asks again finds out. An agent knows a repeated request by its id.
const firstPatience = 5 * time.Second

// Chat implements fleet.Server.
func (s *agentServer) Chat(ctx context.Context, _ *modelserver.Params, c modelserver.Conversation) (modelserver.Completion, error) {
	list, env := opened(c.Messages)
	in, err := told(c.System, list, env.meta)
	if err != nil {
		return modelserver.Completion{}, s.fault(env, fmt.Errorf("%w: %w", wire.ErrBadRequest, err))
	}
	out, err := s.ask(ctx, env.subject, wire.Request{Msgs: in, Encoding: msg.JSON, ID: env.id})
	if err == nil {
		out, err = s.promises.Resolve(ctx, out)
	}
	if err != nil {
		return modelserver.Completion{}, s.fault(env, err)
	}
	return modelserver.Completion{Text: out.Content.String(), Served: servedBy(env)}, nil
}

// ask sends a request until there is an answer, which may be that to an earlier sending.
func (s *agentServer) ask(ctx context.Context, subject string, r wire.Request) (msg.Msg, error) {
	type end struct {
		out msg.Msg
		err error
	}
	ctx, cancel := context.WithCancel(ctx)
	var sent sync.WaitGroup
	defer sent.Wait()
	defer cancel()
	first := make(chan end, 1)
	send := func() {
		out, err := wire.Ask(ctx, s.nc, subject, r)
		select {
		case first <- end{out, err}:
		default:
		}
	}
	sent.Go(send)
	patience := s.patience
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		select {
		case e := <-first:
			return e.out, e.err
		case <-timer.C:
			if r.ID != "" { // else it would be done twice
				sent.Go(send)
			}
			patience *= 2
			timer.Reset(patience)
		}
	}
}

// Batch implements fleet.Server. Agents take one conversation at a time.
func (s *agentServer) Batch(context.Context, *modelserver.Params, []modelserver.Conversation) (modelserver.Batch, error) {
	return modelserver.Batch{}, &modelserver.Error{Kind: modelserver.Lacking, Text: "code agents take no batches"}
}

// Healthy implements fleet.Server. Whether somebody listens, only a call can tell; one that nobody hears costs nothing.
func (s *agentServer) Healthy(context.Context) error { return nil }

// Load implements fleet.Server.
func (s *agentServer) Load(context.Context) (modelserver.Load, error) {
	return modelserver.Load{}, modelserver.ErrNoMetrics
}

// servedBy names who answers, for people.
func servedBy(env envelope) string {
	_, host, name, _, err := subjects.ParseCode(env.subject)
	if err != nil {
		return env.subject
	}
	return fmt.Sprintf("agent %s on host %s", name, host)
}

// mostReason is the length of a reason that an agent gives, which is kept with the answer that is missing.
const mostReason = 400

// fault says what an error means for the call and for the agent.
func (s *agentServer) fault(env envelope, err error) *modelserver.Error {
	kind := modelserver.Rejected
	switch {
	case errors.Is(err, wire.ErrNobody), errors.Is(err, wire.ErrNoAgent): // not there yet, or not any more
		return &modelserver.Error{Kind: modelserver.Unreached, Text: servedBy(env) + " is not there"}
	case errors.Is(err, wire.ErrCrowded):
		kind = modelserver.Overloaded
	case errors.Is(err, wire.ErrStopped), errors.Is(err, wire.ErrUnavailable):
		kind = modelserver.Failing
	case errors.Is(err, wire.ErrDeadline), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		kind = modelserver.Lost
	}
	text := strings.Join(strings.Fields(strings.ToValidUTF8(err.Error(), "\uFFFD")), " ")
	if len(text) > mostReason {
		text = strings.ToValidUTF8(text[:mostReason], "") + "…"
	}
	return &modelserver.Error{Kind: kind, Text: servedBy(env) + ": " + text}
}
