package conformance_test

import (
	"encoding/hex"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/conformance"
	"github.com/myriad-sim/myriad/internal/conformance/sample"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/environment"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// What docs/protocol.md shows is what the code does: these tests read it there.

func protocol(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/protocol.md")
	require.NoError(t, err)
	return string(page)
}

// table returns the rows of the table behind a marker, without its head.
func table(t *testing.T, marker string) [][]string {
	t.Helper()
	_, rest, found := strings.Cut(protocol(t), "<!-- test: "+marker+" -->\n")
	require.True(t, found, marker)
	var rows [][]string
	for line := range strings.Lines(rest) {
		if !strings.HasPrefix(line, "|") {
			break
		}
		var cells []string
		for c := range strings.SplitSeq(strings.Trim(strings.TrimSpace(line), "|"), "|") {
			cells = append(cells, strings.TrimSpace(c))
		}
		rows = append(rows, cells)
	}
	require.Greater(t, len(rows), 2, marker)
	return rows[2:]
}

// blocks returns the fenced blocks with one of the given infos, in order: their infos and texts.
func blocks(t *testing.T, infos ...string) (out [][2]string) {
	t.Helper()
	fence := regexp.MustCompile("(?ms)^```(" + strings.Join(infos, "|") + ")\n(.*?)^```$")
	for _, m := range fence.FindAllStringSubmatch(protocol(t), -1) {
		out = append(out, [2]string{m[1], m[2]})
	}
	require.NotEmpty(t, out)
	return out
}

func TestPageOfNames(t *testing.T) {
	for _, row := range table(t, "names") {
		name := strings.Trim(row[0], "`")
		if name == "(nothing)" {
			name = ""
		}
		require.Equal(t, "`"+subjects.Encode(name)+"`", row[1])
	}
}

func TestPageOfSubjects(t *testing.T) {
	alice := subjects.CodeAddress("js-1", "alice")
	want := [][]string{
		{subjects.At("r1", alice, subjects.VerbReply)},
		{subjects.At("r1", alice, subjects.VerbObserve), "….state", "….interview", "….call"},
		{subjects.CodeAll("js-1")},
		{subjects.Agent("r1", 0, 7, subjects.VerbReply)},
		{subjects.Host("r1", "js-1", subjects.VerbCreate)},
		{subjects.HostAll("js-1")},
		{subjects.Task("r1", "js-1.7f3a", "x")},
		{subjects.Alive("js-1.7f3a")},
		{subjects.EnvCall("r1", "world/group-a", "incr")},
		{subjects.HubCall("r1", "square", "broadcast")},
		{subjects.HubSaid("r1", "square")},
	}
	rows := table(t, "subjects")
	require.Len(t, rows, len(want))
	for i, row := range rows {
		require.Equal(t, want[i], strings.Split(strings.ReplaceAll(row[1], "`", ""), ", "))
	}
}

func TestPageOfErrors(t *testing.T) {
	var rows [][2]string
	for _, row := range table(t, "codes") {
		rows = append(rows, [2]string{strings.Trim(row[0], "`"), row[1]})
	}
	require.Equal(t, wire.Codes(), rows)
}

func TestPageOfChecks(t *testing.T) {
	var rows []conformance.Check
	for _, row := range table(t, "checks") {
		rows = append(rows, conformance.Check{Name: strings.Trim(row[0], "`"), Kind: row[1], Why: row[2]})
	}
	require.Equal(t, conformance.Checks(), rows)
}

// The functions of the kinds that come with Myriad. Those of every environment are looked at where one runs, in test/.
func TestPageOfKinds(t *testing.T) {
	var want [][]string
	kinds := environment.NewRegistry()
	for _, name := range kinds.Names() {
		kind, err := kinds.Find(name)
		require.NoError(t, err)
		code, err := kind(nil)
		require.NoError(t, err)
		for _, f := range slices.Sorted(maps.Keys(code.Functions)) {
			var args []string
			for _, a := range code.Functions[f].Args {
				args = append(args, "`"+a+"`")
			}
			want = append(want, []string{"`" + name + "`", "`" + f + "`", strings.Join(args, ", "), code.Functions[f].About})
		}
	}
	require.Equal(t, want, table(t, "kinds"))
}

// Every message on the page is written as the codec writes it; where msgpack follows JSON it is the same messages.
func TestPageOfMessages(t *testing.T) {
	pairs := 0
	var last []msg.Msg
	for _, block := range blocks(t, "json message", "msgpack") {
		if block[0] == "json message" {
			var err error
			last, err = msg.JSON.DecodeList([]byte(block[1]))
			require.NoError(t, err, block[1])
			again, err := msg.JSON.EncodeList(last)
			require.NoError(t, err)
			require.Equal(t, strings.TrimSpace(block[1]), string(again))
			continue
		}
		require.NotNil(t, last, "msgpack without JSON")
		want, err := msg.Msgpack.EncodeList(last)
		require.NoError(t, err)
		var digits strings.Builder
		for line := range strings.Lines(block[1]) {
			line, _, _ = strings.Cut(line, "#")
			digits.WriteString(strings.Join(strings.Fields(line), ""))
		}
		require.Equal(t, hex.EncodeToString(want), digits.String())
		last = nil
		pairs++
	}
	require.GreaterOrEqual(t, pairs, 5)
}

var (
	command = regexp.MustCompile(`^\$ nats req (\S+) '(.*?)'((?: -H [\w-]+:\S+)*)$`)
	header  = regexp.MustCompile(`-H ([\w-]+):(\S+)`)
)

// The conversations on the page are had with an agent that does as the page says.
func TestPageOfConversations(t *testing.T) {
	server := natstest.Start(t)
	nc := server.Connect(t)
	a, err := sample.Start(nc, "js-1", "alice", "")
	require.NoError(t, err)
	defer a.Close()
	asked := 0
	for _, block := range blocks(t, "conversation") {
		for part := range strings.SplitSeq(strings.TrimSpace(block[1]), "\n\n") {
			line, want, _ := strings.Cut(part, "\n")
			found := command.FindStringSubmatch(line)
			require.NotNil(t, found, line)
			m := nats.NewMsg(found[1])
			m.Data = []byte(found[2])
			for _, h := range header.FindAllStringSubmatch(found[3], -1) {
				m.Header.Set(h[1], h[2])
			}
			reply, err := nc.RequestMsg(m, 10*time.Second)
			require.NoError(t, err)
			got := string(reply.Data)
			if text := reply.Header.Get(subjects.HeaderError); text != "" {
				got = subjects.HeaderErrorCode + ": " + reply.Header.Get(subjects.HeaderErrorCode) + "\n" +
					subjects.HeaderError + ": " + text + "\n" + got
			}
			require.Equal(t, want, got, line)
			asked++
		}
	}
	require.Greater(t, asked, 5)
}

// The error on the page is one that wire makes.
func TestPageOfAnError(t *testing.T) {
	block := blocks(t, "text error")[0][1]
	head, body, found := strings.Cut(strings.TrimSpace(block), "\n\n")
	require.True(t, found)
	m := &nats.Msg{Header: nats.Header{}, Data: []byte(body)}
	for line := range strings.Lines(head) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		m.Header.Set(name, value)
	}
	_, err := wire.ReadAnswer(m)
	require.ErrorIs(t, err, wire.ErrBadRequest)
	said, failed := msg.JSON.Decode(m.Data)
	require.NoError(t, failed)
	require.Equal(t, err.Error(), said.Content.String())
}
