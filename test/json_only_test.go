package test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/conformance/sample"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/hub"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

func TestJSONOnlyAgentInHub(t *testing.T) {
	s := startSystem(t, nil)
	s.ready(t, 1)
	a, err := sample.Start(s.nc, "js-1", "alice", sample.JSONOnly)
	require.NoError(t, err)
	defer a.Close()
	c, err := agent.NewClient(s.nc, "r1", natstest.Logger(t))
	require.NoError(t, err)
	defer c.Close()
	alice := subjects.CodeAddress("js-1", "alice")
	out, err := c.Reply(t.Context(), alice, msg.Msg{Content: msg.Text("hi")})
	require.NoError(t, err)
	require.Equal(t, msg.Text("you said: hi"), out.Content)
	h, err := hub.Open(t.Context(), c, "square")
	require.NoError(t, err)
	_, err = h.Add(t.Context(), alice)
	require.NoError(t, err)
	_, err = h.Announce(t.Context(), msg.Msg{Content: msg.Text("good morning")})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		st, err := c.State(t.Context(), alice)
		return err == nil && st.Content.String() == `{"heard":["hi","good morning"]}`
	}, patience, often)
}
