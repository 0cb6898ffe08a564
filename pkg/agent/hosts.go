package agent

import (
	"context"
	"fmt"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Info is what a host says about one of its agents.
type Info struct {
	Name    string           `json:"name"`
	Kind    string           `json:"kind"`
	Address subjects.Address `json:"address"`
	Process bool             `json:"process"` // in a process of its own
	Waiting int              `json:"waiting"` // messages in its mailbox
	Handled uint64           `json:"handled"` // messages
}

// Create makes an agent on a host. An agent of the same name, kind and configuration is left as it is; another of that name
// is ErrExists.
func (c *Client) Create(ctx context.Context, host string, s Spec) (subjects.Address, error) {
	var out struct {
		Address subjects.Address `json:"address"`
	}
	err := c.manage(ctx, host, subjects.VerbCreate, s, &out)
	return out.Address, err
}

// Delete removes an agent. What waits in its mailbox gets ErrNoAgent.
func (c *Client) Delete(ctx context.Context, address subjects.Address) error {
	host, name, err := codeAgent(address)
	if err != nil {
		return err
	}
	return c.manage(ctx, host, subjects.VerbDelete, map[string]any{"name": name}, nil)
}

// Clone makes another agent on an agent's host, with the same kind, configuration, memory and state, and the name to.
func (c *Client) Clone(ctx context.Context, from subjects.Address, to string) (subjects.Address, error) {
	host, name, err := codeAgent(from)
	if err != nil {
		return "", err
	}
	var out struct {
		Address subjects.Address `json:"address"`
	}
	err = c.manage(ctx, host, subjects.VerbClone, map[string]any{"from": name, "to": to}, &out)
	return out.Address, err
}

// List lists the agents of the run on a host.
func (c *Client) List(ctx context.Context, host string) ([]Info, error) {
	var out struct {
		Agents []Info `json:"agents"`
	}
	err := c.manage(ctx, host, subjects.VerbList, nil, &out)
	return out.Agents, err
}

// manage asks a host for a verb; args and out are as encoding/json sees them.
func (c *Client) manage(ctx context.Context, host, verb string, args, out any) error {
	content, err := msg.Data(args)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrBadRequest, verb, err)
	}
	m := msg.New(string(c.as), msg.RoleUser, content)
	answer, err := c.send(ctx, subjects.Host(c.run, host, verb), wire.Request{Msgs: []msg.Msg{m}, Chain: c.chain(ctx)})
	if err != nil || out == nil {
		return err
	}
	if err := answer.Content.Decode(out); err != nil {
		return fmt.Errorf("host %s: the answer to %s: %w", host, verb, err)
	}
	return nil
}

func codeAgent(address subjects.Address) (host, name string, err error) {
	host, name, ok := address.Code()
	if !ok {
		return "", "", fmt.Errorf("%w: %q is not the address of an agent that was created on a host", ErrBadRequest, address)
	}
	return host, name, nil
}
