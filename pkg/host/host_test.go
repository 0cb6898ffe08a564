package host

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/msg"
)

func TestMain(m *testing.M) { natstest.VerifyMain(m) }

func TestTheCommandLineSaysWhatIsWrong(t *testing.T) {
	for want, args := range map[string][]string{
		"prog serves agents":                {"/bin/prog", "--help"},
		"needs a name that it keeps":        {"prog"},
		`unexpected argument "h1"`:          {"prog", "--id", "h1", "h1"},
		"flag provided but not defined: -x": {"prog", "-x"},
	} {
		var said bytes.Buffer
		code := run(t.Context(), Kinds{}, args, &said)
		require.Contains(t, said.String(), want)
		if args[len(args)-1] == "--help" {
			require.Zero(t, code)
		} else {
			require.Equal(t, 1, code)
		}
	}
}

// A host program serves until it is told to stop, and a program elsewhere makes agents on it.
func TestAHostAndAProgram(t *testing.T) {
	srv := natstest.Start(t)
	ctx, stop := context.WithCancel(t.Context())
	said := make(chan int, 1)
	go func() { said <- run(ctx, Kinds{}, []string{"prog", "--id", "h1", "--nats", srv.URL()}, t.Output()) }()
	w, err := Open(t.Context(), "r1", Remote(srv.URL(), "h1"), nil)
	require.NoError(t, err)
	spec := agent.Spec{Name: "ann", Kind: "dialog", Config: map[string]any{"lines": []string{"Hello."}}}
	ann, err := w.Agent(t.Context(), spec)
	require.NoError(t, err)
	again, err := w.Agent(t.Context(), spec)
	require.NoError(t, err)
	require.Equal(t, ann.Address(), again.Address(), "the same agent is made once")
	_, err = w.Agent(t.Context(), agent.Spec{Name: "ann", Kind: "user"})
	require.ErrorIs(t, err, agent.ErrExists)
	promised, err := ann.Call(t.Context(), msg.New("t", msg.RoleUser, msg.Text("Hello?")))
	require.NoError(t, err)
	got, err := w.Resolve(t.Context(), promised)
	require.NoError(t, err)
	require.Equal(t, "Hello.", got.Content.String())
	require.NoError(t, w.Close(t.Context()))
	stop()
	require.Zero(t, <-said)
}

func TestARemotePlaceNeedsHosts(t *testing.T) {
	_, err := Open(t.Context(), "r1", Remote("nats://127.0.0.1:1"), nil)
	require.ErrorIs(t, err, ErrNoHosts)
}
