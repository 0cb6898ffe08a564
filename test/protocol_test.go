package test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/stack"
	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/environment"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// The lines of docs/protocol.md for hosts, environments and hubs do what the page says, on a stack as `myriad up` starts it, and
// the table of functions that every environment has is the one that a running environment gives.
func TestProtocolPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "docs", "protocol.md"))
	require.NoError(t, err)
	s := startSystem(t, func(set *stack.Settings) { set.AgentHost.ID = "h1" })
	s.ready(t, 1)
	said := map[string]msg.Msg{} // by the verb or function, the answer that came last
	for line := range strings.Lines(string(page)) {
		if !strings.HasPrefix(line, "nats req ") {
			continue
		}
		subject, answer := natsReq(t, s.nc, line)
		said[subject[strings.LastIndexByte(subject, '.')+1:]] = answer
	}
	var list struct{ Agents []agent.Info }
	require.NoError(t, said["list"].Content.Decode(&list))
	require.Len(t, list.Agents, 1)
	require.Equal(t, subjects.CodeAddress("h1", "bob"), list.Agents[0].Address)
	require.Equal(t, "1", said["incr"].Content.String())
	require.Equal(t, "1", said["get"].Content.String())
	var history struct {
		Messages []struct {
			Kind, Sender string
			Message      msg.Msg
		}
	}
	require.NoError(t, said["history"].Content.Decode(&history))
	var kinds []string
	for _, m := range history.Messages {
		kinds = append(kinds, m.Kind)
	}
	require.Equal(t, []string{"created", "announcement", "joined", "joined", "said"}, kinds)
	last := history.Messages[4]
	require.Equal(t, "code.h1.bob", last.Sender)
	require.Equal(t, msg.Text("Good morning."), last.Message.Content)

	world := environment.NewClient(s.nc, "r1").Env("world")
	d, err := world.Describe(t.Context())
	require.NoError(t, err)
	var rows []string
	for _, name := range slices.Sorted(maps.Keys(d.Functions)) {
		var args []string
		for _, a := range d.Functions[name].Args {
			args = append(args, "`"+a+"`")
		}
		rows = append(rows, "| `"+name+"` | "+strings.Join(args, ", ")+" | "+d.Functions[name].About+" |\n")
	}
	_, table, found := strings.Cut(string(page), "<!-- test: builtins -->\n| function | arguments | what it does |\n| --- | --- | --- |\n")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n\n")
	require.Equal(t, strings.Join(rows, ""), table+"\n")
}

// natsReq does what a line with `nats req SUBJECT 'PAYLOAD' -H NAME:VALUE …` does. The answer must be a message.
func natsReq(t testing.TB, nc *nats.Conn, line string) (subject string, answer msg.Msg) {
	t.Helper()
	parts := strings.Split(strings.TrimSpace(line), "'")
	require.Len(t, parts, 3, line)
	subject = strings.TrimSpace(strings.TrimPrefix(parts[0], "nats req "))
	m := nats.NewMsg(subject)
	m.Data = []byte(parts[1])
	for h := range strings.FieldsSeq(strings.ReplaceAll(parts[2], "-H", "")) {
		name, value, found := strings.Cut(h, ":")
		require.True(t, found, line)
		m.Header.Set(name, value)
	}
	reply, err := nc.RequestMsg(m, 20*time.Second)
	require.NoError(t, err, line)
	require.Equal(t, msg.ContentJSON, reply.Header.Get("Content-Type"))
	answer, err = wire.ReadAnswer(reply)
	require.NoError(t, err, line)
	return subject, answer
}
