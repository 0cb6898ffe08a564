package conformance_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/actor"
	"github.com/myriad-sim/myriad/internal/conformance"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// listener repeats what it hears and remembers it.
type listener struct{ self *agent.Self }

func (l listener) Reply(_ context.Context, in ...msg.Msg) (msg.Msg, error) {
	var said []string
	for _, m := range in {
		said = append(said, m.Content.String())
	}
	l.self.Memory.Append(in...)
	return msg.New(l.self.Name, msg.RoleAssistant, msg.Text(strings.Join(said, ", "))), nil
}

func (l listener) Observe(_ context.Context, in ...msg.Msg) error {
	l.self.Memory.Append(in...)
	return nil
}

// Agents in Go keep all of the protocol.
func TestHostsInGo(t *testing.T) {
	t.Parallel()
	server := natstest.Start(t)
	kinds := agent.NewRegistry().Add("listener", func(_ context.Context, self *agent.Self, _ []byte) (agent.Agent, error) {
		return listener{self}, nil
	})
	host, err := actor.New(server.Connect(t), natstest.Logger(t), actor.Config{Host: "h1", Incarnation: "h1-1", Kinds: kinds})
	require.NoError(t, err)
	require.NoError(t, host.Start(t.Context()))
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, host.Stop(ctx))
	}()
	client, err := agent.NewClient(server.Connect(t), "r1", natstest.Logger(t))
	require.NoError(t, err)
	defer client.Close()
	alice, err := client.Create(t.Context(), "h1", agent.Spec{Name: "alice", Kind: "listener"})
	require.NoError(t, err)
	require.Equal(t, subjects.CodeAddress("h1", "alice"), alice)

	r, err := conformance.Run(t.Context(), client.Conn(), target("h1"), conformance.Quick(10*time.Second))
	require.NoError(t, err)
	for _, one := range r.Results {
		require.Equal(t, conformance.Passed, one.Status, "%+v", one)
	}
	require.Equal(t, conformance.LevelFull, r.Level)
}
