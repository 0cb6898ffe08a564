package agent_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

func ExampleMemory() {
	m := agent.NewMemory()
	m.Window(3)
	for _, text := range []string{"hello", "how are you?", "fine", "good"} {
		m.Append(msg.New("Ann", msg.RoleUser, msg.Text(text)))
	}
	m.Retain(func(one msg.Msg) bool { return !strings.HasSuffix(one.Content.String(), "?") })
	for _, one := range m.Messages() {
		fmt.Println(one.Name, "said", one.Content)
	}
	// Output:
	// Ann said fine
	// Ann said good
}

// Haggler is an agent with a state of its own, made from a configuration.
type Haggler struct {
	self  *agent.Self
	Price float64 `json:"price"`
}

// NewHaggler is its kind.
func NewHaggler(_ context.Context, self *agent.Self, config []byte) (agent.Agent, error) {
	h := &Haggler{self: self}
	return h, json.Unmarshal(config, h)
}

// Reply goes down a little.
func (h *Haggler) Reply(_ context.Context, in ...msg.Msg) (msg.Msg, error) {
	h.self.Memory.Append(in...)
	h.Price *= 0.9
	return msg.New(h.self.Name, msg.RoleAssistant, msg.Text(fmt.Sprintf("%.2f, and that is final", h.Price))), nil
}

// Observe remembers.
func (h *Haggler) Observe(_ context.Context, in ...msg.Msg) error {
	h.self.Memory.Append(in...)
	return nil
}

// ExportState returns the price.
func (h *Haggler) ExportState() ([]byte, error) { return json.Marshal(h) }

// ImportState goes on with a price.
func (h *Haggler) ImportState(state []byte) error { return json.Unmarshal(state, h) }

func ExampleRegistry() {
	kinds := agent.NewRegistry().Add("haggler", NewHaggler)
	fmt.Println(strings.Join(kinds.Names(), ", "))
	// Output: dialog, haggler, user
}

// B and C work on A's answer at the same time, and D on C's as soon as it is there; only the last line waits.
func ExampleClient_Call() {
	run := func(ctx context.Context, nc *nats.Conn) error {
		c, err := agent.NewClient(nc, "market-1", slog.Default())
		if err != nil {
			return err
		}
		defer c.Close()
		at := func(name string) *agent.Ref { return c.Agent(subjects.CodeAddress("host-1", name)) }
		a, err := at("a").Call(ctx, msg.New("me", msg.RoleUser, msg.Text("begin")))
		if err != nil {
			return err
		}
		b, err := at("b").Call(ctx, a)
		if err != nil {
			return err
		}
		d, err := at("c").Call(ctx, a)
		if err != nil {
			return err
		}
		if d, err = at("d").Call(ctx, d); err != nil {
			return err
		}
		_, err = c.ResolveAll(ctx, b, d)
		return err
	}
	_ = run
}
