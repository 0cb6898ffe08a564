package environment

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/environment/value"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Client calls functions of the environments of one run. It is safe for concurrent use and holds nothing that must be
// closed; the connection is its maker's.
type Client struct {
	nc  *nats.Conn
	run string
	as  subjects.Address
}

// NewClient returns a client for the environments of a run. It speaks as a program, not as an agent.
func NewClient(nc *nats.Conn, run string) *Client { return &Client{nc: nc, run: run} }

// As returns a client that speaks as an agent: the caller that functions see.
func (c *Client) As(agent subjects.Address) *Client { return &Client{c.nc, c.run, agent} }

// Env is the environment of a name, such as "world/group-a". Nothing is asked for it.
func (c *Client) Env(name string) *Env { return &Env{client: c, name: name} }

// Env calls the functions of one environment. It is safe for concurrent use.
//
// A call whose reply is lost, because a program died, ends with ErrUnavailable or ErrDeadline and may or may not have been
// done. With a request id ([Env.Once]) it is asked for again until ctx ends, and done once.
type Env struct {
	client *Client
	name   string
	id     string
}

// Name is the environment's name.
func (e *Env) Name() string { return e.name }

// Once returns the environment with a request id for calls: those of one function by one caller with the same id are one
// call. It is done once, and everybody gets its result. A tree keeps the results of the last 65,536 such calls, as far as they
// fit into 16 MiB.
func (e *Env) Once(id string) *Env { return &Env{e.client, e.name, id} }

// Times of a call.
const (
	patience   = 20 * time.Second // without a deadline, for a reply
	tryTime    = 2 * time.Second  // for one try, of a call that may be repeated
	firstPause = 50 * time.Millisecond
	lastPause  = time.Second
)

// Call calls a function with arguments by name: a map, or a struct with names for encoding/json, or nil. A plain value is the
// first argument. The result is what the function returned.
func (e *Env) Call(ctx context.Context, function string, args any) (msg.Content, error) {
	given, err := value.Normal(args)
	if err != nil {
		return msg.Content{}, fmt.Errorf("%w: %w", ErrBadRequest, err)
	}
	content, err := value.Content(given)
	if err != nil {
		return msg.Content{}, fmt.Errorf("%w: %w", ErrBadRequest, err)
	}
	r := wire.Request{ID: e.id, Sender: e.client.as}
	if content.Kind() != msg.KindNone {
		r.Msgs = []msg.Msg{{Content: content}}
	}
	out, err := wire.Wait(ctx, func() (msg.Msg, error) {
		if e.id == "" {
			return e.ask(ctx, function, r, patience)
		}
		return e.insist(ctx, function, r)
	})
	if err != nil {
		return msg.Content{}, fmt.Errorf("environment: %s %s: %w", e.name, function, err)
	}
	return out.Content, nil
}

func (e *Env) ask(ctx context.Context, function string, r wire.Request, patience time.Duration) (msg.Msg, error) {
	try, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	out, err := wire.Ask(try, e.client.nc, subjects.EnvCall(e.client.run, e.name, function), r)
	if err != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%w: no reply within %v", ErrUnavailable, patience)
	}
	return out, err
}

// insist asks again as long as that may help.
func (e *Env) insist(ctx context.Context, function string, r wire.Request) (msg.Msg, error) {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		out, err := e.ask(ctx, function, r, tryTime)
		switch {
		case err == nil, ctx.Err() != nil, e.client.nc.IsClosed():
			return out, err
		case errors.Is(err, ErrUnavailable), errors.Is(err, ErrNobody), errors.Is(err, ErrStopped), errors.Is(err, ErrCrowded),
			errors.Is(err, ErrDeadline):
		default:
			return out, err
		}
		select {
		case <-ctx.Done():
			return msg.Msg{}, err
		case <-time.After(pause):
		}
	}
}

// into calls a function and stores what it returns where into points.
func (e *Env) into(ctx context.Context, function string, args, into any) error {
	out, err := e.Call(ctx, function, args)
	if err != nil {
		return err
	}
	if out.Kind() == msg.KindNone {
		return nil
	}
	if err := store(out, into); err != nil {
		return fmt.Errorf("environment: %s %s: %w", e.name, function, err)
	}
	return nil
}

// store puts a content where into points; nil takes nothing.
func store(c msg.Content, into any) error {
	switch into := into.(type) {
	case nil:
		return nil
	case *any:
		*into = value.Of(c)
		return nil
	default:
		return c.Decode(into)
	}
}
