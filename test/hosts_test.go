package test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/host"
	"github.com/myriad-sim/myriad/pkg/msg"
)

// asHost, in the environment of this test program, makes it a host program with the kinds below.
const asHost = "MYRIAD_TEST_HOST"

func testKinds() host.Kinds {
	return host.Kinds{Agents: agent.NewRegistry().Add("ear", newEar).Add("step", newStep).Add("stuck", newStuck)}
}

// startHost starts a host process on a stack.
func startHost(t testing.TB, s *upStack, id string) *process {
	t.Helper()
	path, err := os.Executable()
	require.NoError(t, err)
	p := call{env: []string{asHost + "=1"}}.exec(t, path, "--id", id, "--nats", s.nats)
	p.says(t, &p.err, "serving agents")
	return p
}

// open opens a run on the hosts of a stack.
func open(t testing.TB, s *upStack, run string, hosts ...string) *host.World {
	t.Helper()
	w, err := host.Open(t.Context(), run, host.Remote(s.nats, hosts...), nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.Close(context.Background())) })
	return w
}

// ear hears: it keeps how many messages it observed, and the hash of all of them in order.
type ear struct {
	Count int    `json:"count"`
	Hash  string `json:"hash"`
}

func newEar(context.Context, *agent.Self, []byte) (agent.Agent, error) { return new(ear), nil }

func (e *ear) hear(text string) {
	sum := sha256.Sum256([]byte(e.Hash + text))
	e.Count, e.Hash = e.Count+1, hex.EncodeToString(sum[:])
}

func (e *ear) Observe(_ context.Context, in ...msg.Msg) error {
	for _, m := range in {
		e.hear(m.Content.String())
	}
	return nil
}

func (e *ear) Reply(context.Context, ...msg.Msg) (msg.Msg, error) {
	content, err := msg.Data(e)
	return msg.Msg{Content: content}, err
}

func (e *ear) ExportState() ([]byte, error) { return json.Marshal(e) }

func (e *ear) ImportState(state []byte) error { return json.Unmarshal(state, e) }

// step adds one.
type step struct{}

func newStep(context.Context, *agent.Self, []byte) (agent.Agent, error) { return step{}, nil }

func (step) Observe(context.Context, ...msg.Msg) error { return nil }

func (step) Reply(_ context.Context, in ...msg.Msg) (msg.Msg, error) {
	n, err := strconv.Atoi(in[0].Content.String())
	return msg.Msg{Content: msg.Text(strconv.Itoa(n + 1)), Time: time.Now()}, err
}

// stuck works until it is told to stop.
type stuck struct{}

func newStuck(context.Context, *agent.Self, []byte) (agent.Agent, error) { return stuck{}, nil }

func (stuck) Observe(context.Context, ...msg.Msg) error { return nil }

func (stuck) Reply(ctx context.Context, _ ...msg.Msg) (msg.Msg, error) {
	<-ctx.Done()
	return msg.Msg{}, ctx.Err()
}
