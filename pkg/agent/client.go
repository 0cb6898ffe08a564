package agent

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Client reaches the agents of one run. It is safe for concurrent use. Where nobody listens, it asks again for two seconds
// before it says ErrNobody: programs start and come back at different times.
//
// An agent that asks others while it handles a message uses its own client (Self.Client) and the context that it was given.
// Then a request that would wait for itself, through however many others, is ErrCycle instead of waiting for ever.
type Client struct {
	*shared
	run string
	as  subjects.Address
}

// NewClient returns a client of a run. The connection stays the caller's and must outlive the client.
func NewClient(nc *nats.Conn, run string, log *slog.Logger) (*Client, error) {
	s, err := newShared(nc, log)
	if err != nil {
		return nil, fmt.Errorf("agent: client: %w", err)
	}
	return &Client{shared: s, run: run}, nil
}

// As returns a client that speaks as an agent and shares everything else: one of the two is to be closed.
func (c *Client) As(address subjects.Address) *Client { return &Client{c.shared, c.run, address} }

// In returns a client of another run that shares everything else: one of the two is to be closed.
func (c *Client) In(run string) *Client { return &Client{c.shared, run, c.as} }

// Run is the run whose agents the client reaches.
func (c *Client) Run() string { return c.run }

// Conn is the connection that the client uses.
func (c *Client) Conn() *nats.Conn { return c.nc }

// Close ends what the client does in the background: promises that it made itself (see Call) are lost.
func (c *Client) Close() { c.close() }

// Call gives messages to an agent and returns the promise of its answer as soon as the agent's host has taken them. The
// answer is worked on whatever becomes of ctx and of this program.
//
// An agent in another language need not know promises: if it answers a call with an error of the code bad-request or
// no-function, it is asked to reply, and the promise is this client's own. That one is lost when the client is closed.
func (c *Client) Call(ctx context.Context, to subjects.Address, in ...msg.Msg) (msg.Msg, error) {
	return c.call(ctx, to, in)
}

// Reply gives messages to an agent and waits for its answer, and for what is promised if that is a promise.
func (c *Client) Reply(ctx context.Context, to subjects.Address, in ...msg.Msg) (msg.Msg, error) {
	out, err := c.await(ctx, to, subjects.VerbReply, in)
	if err != nil {
		return msg.Msg{}, err
	}
	return c.Resolve(ctx, out)
}

// Observe tells an agent something, and waits until it has taken note.
func (c *Client) Observe(ctx context.Context, to subjects.Address, in ...msg.Msg) error {
	_, err := c.await(ctx, to, subjects.VerbObserve, in)
	return err
}

// Interview asks an agent outside of what happens: it answers, and nothing of it stays.
func (c *Client) Interview(ctx context.Context, to subjects.Address, in ...msg.Msg) (msg.Msg, error) {
	out, err := c.await(ctx, to, subjects.VerbInterview, in)
	if err != nil {
		return msg.Msg{}, err
	}
	return c.Resolve(ctx, out)
}

// State reads an agent's state.
func (c *Client) State(ctx context.Context, of subjects.Address) (msg.Msg, error) {
	return c.ask(ctx, of, subjects.VerbState, wire.Request{Chain: c.chain(ctx)})
}

// await asks an agent for something that it does only when nothing else keeps it busy.
func (c *Client) await(ctx context.Context, to subjects.Address, verb string, in []msg.Msg) (msg.Msg, error) {
	chain := c.chain(ctx)
	if slices.Contains(chain, to) {
		return msg.Msg{}, fmt.Errorf("%w: %s waits for this %s", ErrCycle, to, verb)
	}
	return c.ask(ctx, to, verb, wire.Request{Msgs: in, Chain: chain})
}

// chain is who waits for what this client asks with a context.
func (c *Client) chain(ctx context.Context) []subjects.Address {
	chain := wire.Chain(ctx)
	if c.as == "" || slices.Contains(chain, c.as) {
		return chain
	}
	return append(slices.Clip(chain), c.as)
}

// ask sends a request to an agent.
func (c *Client) ask(ctx context.Context, to subjects.Address, verb string, r wire.Request) (msg.Msg, error) {
	if err := to.Check(); err != nil {
		return msg.Msg{}, fmt.Errorf("%w: %w", ErrBadRequest, err)
	}
	return c.send(ctx, subjects.At(c.run, to, verb), r)
}

// Resolve waits for what a message promises. A message that promises nothing comes back as it is.
func (c *Client) Resolve(ctx context.Context, m msg.Msg) (msg.Msg, error) {
	if !m.Pending() {
		return m, nil
	}
	return wire.Wait(ctx, func() (msg.Msg, error) { return c.holder.Resolve(ctx, m) })
}

// ResolveAll is Resolve for several at once, in their order. The error is the first that happened.
func (c *Client) ResolveAll(ctx context.Context, list ...msg.Msg) ([]msg.Msg, error) {
	return wire.Wait(ctx, func() ([]msg.Msg, error) {
		out := make([]msg.Msg, len(list))
		group, ctx := errgroup.WithContext(ctx)
		for i, m := range list {
			if out[i] = m; m.Pending() {
				group.Go(func() (err error) {
					out[i], err = c.holder.Resolve(ctx, m)
					return err
				})
			}
		}
		if err := group.Wait(); err != nil {
			return nil, err
		}
		return out, nil
	})
}

// Cancel ends the work on what a message promises: its holders get ErrCancelled. It does nothing to what exists already.
func (c *Client) Cancel(ctx context.Context, m msg.Msg) error {
	if !m.Pending() {
		return nil
	}
	_, err := wire.Wait(ctx, func() (struct{}, error) { return struct{}{}, c.holder.Cancel(ctx, m) })
	return err
}

// Agent binds the client to one agent.
func (c *Client) Agent(address subjects.Address) *Ref { return &Ref{c, address} }

// Ref is an agent as others see it. It is a Client's methods for one address.
type Ref struct {
	client  *Client
	address subjects.Address
}

// Address is where the agent is reached.
func (r *Ref) Address() subjects.Address { return r.address }

// Call is Client.Call.
func (r *Ref) Call(ctx context.Context, in ...msg.Msg) (msg.Msg, error) {
	return r.client.Call(ctx, r.address, in...)
}

// Reply is Client.Reply.
func (r *Ref) Reply(ctx context.Context, in ...msg.Msg) (msg.Msg, error) {
	return r.client.Reply(ctx, r.address, in...)
}

// Observe is Client.Observe.
func (r *Ref) Observe(ctx context.Context, in ...msg.Msg) error {
	return r.client.Observe(ctx, r.address, in...)
}

// Interview is Client.Interview.
func (r *Ref) Interview(ctx context.Context, in ...msg.Msg) (msg.Msg, error) {
	return r.client.Interview(ctx, r.address, in...)
}

// State is Client.State.
func (r *Ref) State(ctx context.Context) (msg.Msg, error) { return r.client.State(ctx, r.address) }
