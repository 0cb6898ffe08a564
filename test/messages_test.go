package test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// visitor talks to the agents of a run over a plain connection.
type visitor struct {
	nc  *nats.Conn
	run string
}

// send sends a request. Header is a list of names and values.
func (v visitor) send(t testing.TB, shard, agent int, verb string, data []byte, header ...string) *nats.Msg {
	t.Helper()
	m := nats.NewMsg(strings.Replace(subjects.Agent(v.run, shard, agent, subjects.VerbReply), ".reply", "."+verb, 1))
	m.Data = data
	for i := 0; i < len(header); i += 2 {
		m.Header.Set(header[i], header[i+1])
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	answer, err := v.nc.RequestMsgWithContext(ctx, m)
	require.NoError(t, err)
	return answer
}

// sayJSON talks to an agent as a person with a command line does.
func (v visitor) sayJSON(t testing.TB, agent int, verb, body string, header ...string) map[string]any {
	t.Helper()
	answer := v.send(t, agent/10, agent, verb, []byte(body), append(header, "Content-Type", "application/json")...)
	require.Empty(t, answer.Header.Get(subjects.HeaderError))
	require.Equal(t, "application/json", answer.Header.Get("Content-Type"))
	var out map[string]any
	require.NoError(t, json.Unmarshal(answer.Data, &out))
	return out
}

// refused is the error with which a request must be answered.
func refused(t testing.TB, answer *nats.Msg) string {
	t.Helper()
	why := answer.Header.Get(subjects.HeaderError)
	require.NotEmpty(t, why, string(answer.Data))
	return why
}

// Anybody with a NATS client can talk to an agent, in JSON or msgpack. What changes the agent is logged once; what only
// looks at it is not.
func TestTalkToAgents(t *testing.T) {
	sys := startSystem(t, nil)
	agents := 20
	st := sys.play(t, control.Submission{
		Source: gameSource(t), ShardSize: 10, Overrides: scenario.Overrides{Agents: &agents, Rounds: new(2)},
	})
	v := visitor{sys.nc, st.Run}
	logged := func() uint64 {
		stream, err := sys.js.Stream(t.Context(), subjects.StreamLog)
		require.NoError(t, err)
		info, err := stream.Info(t.Context(), jetstream.WithSubjectFilter(subjects.LogMessageAll(st.Run)))
		require.NoError(t, err)
		n := uint64(0)
		for _, count := range info.State.Subjects {
			n += count
		}
		return n
	}

	t.Run("JSON", func(t *testing.T) {
		state := v.sayJSON(t, 17, "state", "")
		require.Equal(t, "agent-17", state["name"])
		require.Regexp(t, `^round 1, guess: [\d.]+\nround 2, guess: [\d.]+$`, state["content"])
		about := state["metadata"].(map[string]any)
		require.Equal(t, float64(17), about["agent"])
		require.Equal(t, "players", about["block"])
		require.Contains(t, about, "persona.education")

		interview := v.sayJSON(t, 17, "interview", `{"content": "Why did you pick that number?"}`)
		require.NotEmpty(t, interview["content"])
		require.Zero(t, logged())

		reply := v.sayJSON(t, 17, "reply", `{"content": "hello", "name": "a visitor"}`)
		require.NotEmpty(t, reply["content"])
		require.Equal(t, "assistant", reply["role"])
		require.Equal(t, uint64(1), logged())

		observed := v.sayJSON(t, 17, "observe", `{"content": "It rains."}`)
		require.Nil(t, observed["content"])
		require.Equal(t, uint64(2), logged())
	})

	t.Run("msgpack", func(t *testing.T) {
		data, err := msg.Msgpack.Encode(msg.New("visitor", msg.RoleUser, msg.Text("hello")))
		require.NoError(t, err)
		for _, header := range [][]string{nil, {"Content-Type", "application/msgpack"}} {
			answer := v.send(t, 0, 3, "reply", data, header...)
			require.Empty(t, answer.Header.Get(subjects.HeaderError))
			require.Equal(t, "application/msgpack", answer.Header.Get("Content-Type"))
			got, err := msg.Msgpack.Decode(answer.Data)
			require.NoError(t, err)
			require.Equal(t, "agent-3", got.Name)
			require.NotEmpty(t, got.Content.String())
		}
	})

	t.Run("repeated", func(t *testing.T) {
		before := logged()
		first := v.sayJSON(t, 5, "reply", `{"content": "hello"}`, subjects.HeaderRequestID, "request-1")
		again := v.sayJSON(t, 5, "reply", `{"content": "hello"}`, subjects.HeaderRequestID, "request-1")
		require.Equal(t, first, again)
		require.Equal(t, before+1, logged())
		other := v.sayJSON(t, 5, "reply", `{"content": "hello"}`, subjects.HeaderRequestID, "request-2")
		require.NotEqual(t, first["id"], other["id"])
		require.Equal(t, before+2, logged())
	})

	t.Run("refused", func(t *testing.T) {
		before := logged()
		asJSON := []string{"Content-Type", "application/json"}
		require.Contains(t, refused(t, v.send(t, 0, 3, "dance", []byte(`{}`), asJSON...)), "dance")
		require.Contains(t, refused(t, v.send(t, 0, 15, "reply", []byte(`{}`), asJSON...)), "0..9")
		require.Contains(t, refused(t, v.send(t, 0, 3, "reply", []byte(`{"content"`), asJSON...)), "JSON")
		require.Contains(t, refused(t, v.send(t, 0, 3, "reply", []byte(`{"v": 9, "content": "x"}`), asJSON...)), "version")
		require.Contains(t, refused(t, v.send(t, 0, 3, "reply", []byte(`hello`), "Content-Type", "text/plain")), "text/plain")
		require.NotEmpty(t, refused(t, v.send(t, 0, 3, "reply", []byte(`hello`))))
		long := `{"content": "` + strings.Repeat("x", 70_000) + `"}`
		require.Contains(t, refused(t, v.send(t, 0, 3, "reply", []byte(long), asJSON...)), "65536 bytes")
		require.Equal(t, before, logged())
		_, err := sys.nc.RequestWithContext(t.Context(), subjects.Agent(st.Run, 7, 70, subjects.VerbState), nil)
		require.ErrorIs(t, err, nats.ErrNoResponders)
	})
}
