package test

import (
	"log/slog"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/keys"
	"github.com/myriad-sim/myriad/internal/stack"
	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/msg"
)

// On a stack with keys an agent has a process of its own as without. The host beside the server gives it the user that is there
// for it, and neither another one of the stack nor what the stack was started with: whoever starts it may have set that for
// commands. A host that is a service of its own hands on what it was given.
func TestAgentProcessWithKeys(t *testing.T) {
	t.Parallel()
	s := call{env: []string{"MYRIAD_NATS_URL=tls://192.0.2.1:4222", "MYRIAD_NATS_NKEY=none.nk", "MYRIAD_NATS_CREDS=none.creds"}}.upKeyed(t)
	service := call{env: []string{
		"MYRIAD_NATS_URL=" + s.nats, "MYRIAD_NATS_CA=" + s.dir.CA(), "MYRIAD_NATS_NKEY=" + s.dir.Seed(keys.AgentHost), "MYRIAD_AGENTHOST_ID=h2",
	}}.start(t, "agenthost")
	service.says(t, &service.err, "agenthost runs on")
	client, err := agent.NewClient(s.as(t, s.dir.Seed(keys.CLI)), "r1", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer client.Close()
	talk := func(host string) {
		own, err := client.Create(t.Context(), host, agent.Spec{
			Name: "ann", Kind: "dialog", Process: true, Config: map[string]any{"lines": []string{"One.", "Two."}},
		})
		require.NoError(t, err)
		out, err := client.Reply(t.Context(), own, msg.New("t", msg.RoleUser, msg.Text("Hello?")))
		require.NoError(t, err)
		require.Equal(t, "One.", out.Content.String())
		promised, err := client.Call(t.Context(), own, msg.New("t", msg.RoleUser, msg.Text("And then?")))
		require.NoError(t, err)
		out, err = client.Resolve(t.Context(), promised)
		require.NoError(t, err)
		require.Equal(t, "Two.", out.Content.String())
		require.NoError(t, client.Delete(t.Context(), own))
	}
	talk("h2")
	require.Zero(t, service.stop(t))
	for _, r := range keys.Roles {
		if r != keys.Process {
			require.NoError(t, os.Remove(s.dir.Seed(r)))
		}
	}
	talk(stack.LocalHost)
	require.Zero(t, s.stop(t))
	for _, refusal := range []string{"may not do", "Violation"} {
		require.NotContains(t, s.err.String()+service.err.String(), refusal)
	}
}
