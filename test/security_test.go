package test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/keys"
	"github.com/myriad-sim/myriad/internal/results"
	"github.com/myriad-sim/myriad/internal/stack"
	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/environment"
	"github.com/myriad-sim/myriad/pkg/hub"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// diary is a log that tests read.
type diary struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (d *diary) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.Write(p)
}

func (d *diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.String()
}

// guarded is a server with TLS and users, and what its services log.
type guarded struct {
	dir    keys.Dir
	server *bus.Server
	said   *diary
	log    *slog.Logger
}

func startGuarded(t *testing.T) *guarded {
	t.Helper()
	dir, err := keys.Init(filepath.Join(t.TempDir(), "keys"), nil, 1)
	require.NoError(t, err)
	g := &guarded{dir: dir, said: &diary{}}
	g.log = slog.New(slog.NewTextHandler(g.said, &slog.HandlerOptions{Level: slog.LevelDebug}))
	g.server, err = bus.StartServer(t.Context(), bus.ServerConfig{
		DataDir: t.TempDir(), Listen: "127.0.0.1:0", Log: g.log, Secure: &bus.Secure{Auth: dir.Auth(), Cert: dir.NATSCert(), Key: dir.NATSKey()},
	})
	require.NoError(t, err)
	t.Cleanup(g.server.Stop)
	return g
}

func (g *guarded) config(seed string) bus.ConnectConfig {
	return bus.ConnectConfig{URL: g.server.URL(), CA: g.dir.CA(), NKey: seed}
}

func (g *guarded) connect(t *testing.T, seed string) *nats.Conn {
	t.Helper()
	nc, err := bus.Connect(t.Context(), g.config(seed), g.log)
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	return nc
}

// serve starts one service as its own user, as a process of its own would.
func (g *guarded) serve(t *testing.T, name string) (*stack.Stack, error) {
	set, err := stack.FromEnv()
	if err != nil {
		return nil, err
	}
	set.Coordinator.HTTP = ""
	set.LLMProxy.Registerer = prometheus.NewRegistry()
	return stack.Start(t.Context(), stack.Config{Services: []string{name}, Settings: set, Connect: g.config(g.dir.Seed(keys.Role(name)))}, g.log)
}

// Five services, each its own user over TLS and with its own permissions, play what they play without: the same results, and
// nothing was refused on the way. They come in any order and wait for the coordinator, which alone may make the streams. A
// program from outside serves an agent of the run, with an environment and a hub of it, and sees no other run.
func TestServicesWithTheirPermissions(t *testing.T) {
	g := startGuarded(t)
	var starting sync.WaitGroup
	stacks, failures := make([]*stack.Stack, len(stack.Names)), make([]error, len(stack.Names))
	for i, name := range stack.Names {
		if name == "coordinator" {
			require.Eventually(t, func() bool { return strings.Count(g.said.String(), "waiting for a coordinator") == i }, patience, often)
		}
		starting.Go(func() { stacks[i], failures[i] = g.serve(t, name) })
	}
	starting.Wait()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
		defer cancel()
		for _, st := range stacks {
			if st != nil {
				require.NoError(t, st.Stop(ctx))
			}
		}
	})
	for i := range failures {
		require.NoError(t, failures[i], stack.Names[i])
	}
	nc := g.connect(t, g.dir.Seed(keys.CLI))
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	sys := &system{nc: nc, js: js}
	st := sys.play(t, control.Submission{Source: lake, ShardSize: 10})
	plain := startSystem(t, nil)
	require.Equal(t, results.Summary(plain.play(t, control.Submission{Source: lake, ShardSize: 10})).ResultHash, results.Summary(st).ResultHash)

	seed := outsider(t, g, nc, st.Run)
	text := g.said.String()
	for _, sign := range []string{"Permissions Violation", "Publish Violation", "Subscription Violation", "may not do"} {
		require.NotContains(t, text, sign)
	}
	noSecrets(t, g.dir, text)

	spy := g.connect(t, seed)
	js, err = jetstream.New(spy)
	require.NoError(t, err)
	short, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err = js.Stream(short, subjects.StreamLog)
	require.Error(t, err, "an outside agent sees no log")
	require.ErrorIs(t, spy.LastError(), nats.ErrPermissionViolation)
	require.Eventually(t, func() bool { return strings.Contains(g.said.String(), "may not do") }, patience, often, "it is said in the log")
}

// outsider plays a program in another language: plain NATS and JSON, as docs/protocol.md has it. It returns its key.
func outsider(t *testing.T, g *guarded, people *nats.Conn, run string) string {
	t.Helper()
	_, seed, err := g.dir.AddAgent(run, "js-1")
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		nc, err := bus.Connect(t.Context(), g.config(seed), g.log)
		if err == nil {
			nc.Close()
		}
		return err == nil
	}, patience, often, "the server reads the new user")
	nc := g.connect(t, seed)
	heard := make(chan string, 10)
	_, err = nc.Subscribe("myriad.run."+run+".code.js-1.bob.*", func(m *nats.Msg) {
		answer := nats.NewMsg(m.Reply)
		answer.Header.Set("Content-Type", "application/json")
		var in struct{ Content string }
		if json.Unmarshal(m.Data, &in) == nil {
			heard <- in.Content
			answer.Data = []byte(`{"v":1,"name":"bob","content":"I heard ` + in.Content + `"}`)
		} else { // whoever asked in msgpack asks again in JSON
			answer.Header.Set("Myriad-Error", "only JSON")
			answer.Header.Set("Myriad-Error-Code", "bad-request")
		}
		_ = m.RespondMsg(answer) // what is missing is seen
	})
	require.NoError(t, err)
	require.NoError(t, nc.Flush())
	client, err := agent.NewClient(people, run, g.log)
	require.NoError(t, err)
	defer client.Close()
	bob := subjects.CodeAddress("js-1", "bob")

	out, err := client.Reply(t.Context(), bob, msg.New("ann", msg.RoleUser, msg.Text("hello")))
	require.NoError(t, err)
	require.Equal(t, "I heard hello", out.Content.String())
	require.Equal(t, "hello", <-heard)

	square, err := hub.Open(t.Context(), client, "square")
	require.NoError(t, err)
	_, err = square.Add(t.Context(), bob)
	require.NoError(t, err)
	_, err = square.Announce(t.Context(), msg.New("ann", msg.RoleUser, msg.Text("to all")))
	require.NoError(t, err)
	select {
	case said := <-heard:
		require.Contains(t, said, "to all")
	case <-time.After(patience):
		require.Fail(t, "the hub did not reach the outside agent")
	}

	var left int64
	caught, err := environment.NewClient(nc, run).Env("lake").Call(t.Context(), "catch", map[string]any{"n": 3})
	require.NoError(t, err)
	require.NoError(t, caught.Decode(&left))
	require.EqualValues(t, 97, left)
	own, err := agent.NewClient(nc, run, g.log)
	require.NoError(t, err)
	defer own.Close()
	_, err = own.State(t.Context(), subjects.PopulationAddress(0, 7))
	require.NoError(t, err)
	return seed
}

// noSecrets checks that nothing of a directory of keys is in a text.
func noSecrets(t *testing.T, dir keys.Dir, text string) {
	t.Helper()
	for _, file := range []string{dir.HTTPToken(), dir.CAKey(), dir.NATSKey(), dir.HTTPKey(), dir.Seed(keys.Coordinator), dir.Seed(keys.AgentHost), dir.Seed(keys.CLI)} {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		for line := range strings.Lines(string(data)) {
			if line = strings.TrimSpace(line); !strings.HasPrefix(line, "---") && len(line) > 20 {
				require.NotContains(t, text, line[:20], file)
			}
		}
	}
}
