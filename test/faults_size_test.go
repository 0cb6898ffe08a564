package test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// tell is a scenario in which every agent writes a text.
const tellScenario = `
version: 1
name: tell
rounds: 1
population: {size: 20}
models:
  player: {provider: openai, endpoints: [%q], model: ` + modelName + `, max_tokens: 64}
agents: {players: {model: player}}
turn:
  - {id: story, ask: "Agent {{.self.number}}, round {{.round}}: tell.", answer: {type: %s}}
`

// A model server that answers with megabytes: of a reply that is kept as far as replies are read the model is asked for the
// answer; that of a text is what it then says, and a number is not found. Nothing longer gets into the log, and
// all other agents are as ever.
func TestModelServerThatSendsMegabytes(t *testing.T) {
	t.Parallel()
	const most = 64 << 10
	megabytes := strings.Repeat("blah ", 400_000)
	for kind, wants := range map[string]struct {
		status stats.Status
		length int
	}{"text": {stats.Extracted, most}, "number": {stats.Missing, 0}} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			model := startModelServer(t, func(a ask) reply {
				if a.agent == 3 && !a.extraction {
					return reply{text: megabytes + "7"}
				}
				if a.extraction {
					return reply{text: "none"}
				}
				return reply{text: "7"}
			})
			sys := startSystem(t, nil)
			st := sys.play(t, control.Submission{Source: fmt.Sprintf(tellScenario, model.url, kind)})
			n := 0
			for _, r := range sys.rows(t, st) {
				if r.Agent == 3 {
					require.Equal(t, wants.status, r.Status)
					require.LessOrEqual(t, len(r.Raw), most)
					require.GreaterOrEqual(t, len(r.Raw), wants.length-4)
					continue
				}
				require.Equal(t, stats.Answered, r.Status)
				require.Equal(t, "7", r.Raw)
				n++
			}
			require.Equal(t, 19, n)
		})
	}
}

// What no message carries pauses the run, which says why: whoever asks for so much has to see it.
func TestCompletionThatNoMessageCarries(t *testing.T) {
	t.Parallel()
	model := startModelServer(t, func(a ask) reply {
		if a.agent == 3 {
			return reply{text: strings.Repeat("blah ", 1<<20)}
		}
		return reply{text: "7"}
	})
	sys := startSystem(t, nil)
	st := sys.settled(t, sys.submit(t, control.Submission{Source: fmt.Sprintf(tellScenario, model.url, "text")}))
	require.Equal(t, "paused", st.Status())
	require.Regexp(t, `model player: the completion has 5242880 bytes, a message carries \d+`, st.Reason)
}

// A broker that carries little: an answer that does not fit into a record ends the run with a reason that says so, and nothing
// of it is in the log.
func TestAnswerThatTheBrokerDoesNotCarry(t *testing.T) {
	t.Parallel()
	model := startModelServer(t, func(a ask) reply {
		if a.agent == 3 {
			return reply{text: strings.Repeat("neither yes nor no ", 2500)} // three attempts of 47 KB
		}
		return reply{text: "yes"}
	})
	sys := onServer(t, &server.Options{
		Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), SyncAlways: true, MaxPayload: 64 << 10, NoSigs: true, NoLog: true,
	})
	source := fmt.Sprintf(tellScenario, model.url, "choice, choices: ['yes', 'no'], extract: rule")
	run := sys.submit(t, control.Submission{Source: source})
	got := sys.settled(t, run)
	require.Equal(t, "failed", got.Status(), got.Reason)
	require.Regexp(t, `an answer of agent 3 takes \d+ bytes of the run log, the broker carries 65536`, got.Reason)

	// A request that is longer than the broker carries does not leave its sender; one that it carries is refused by name.
	long := []byte(`{"content": "` + strings.Repeat("x", 70_000) + `"}`)
	_, err := sys.nc.RequestWithContext(t.Context(), subjects.Agent(run, 0, 5, subjects.VerbReply), long)
	require.ErrorIs(t, err, nats.ErrMaxPayload)
}

// A scenario that is too large is refused, however it is sent, and leaves nothing.
func TestScenarioThatIsTooLarge(t *testing.T) {
	t.Parallel()
	s := up(t, t.TempDir())
	nc := s.connect(t)
	for _, size := range []int{600 << 10, 9 << 20} {
		large := gameSource(t) + "\n#" + strings.Repeat("x", size)
		got := s.do(t, http.MethodPost, "/v1/runs", []byte(large))
		require.Contains(t, []int{http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity}, got.status, got.body)
		require.Contains(t, got.body, "too large")
		err := control.Ask(t.Context(), nc, control.Submit, control.Submission{File: "large.yaml", Source: large}, nil)
		if size > 8<<20 {
			require.ErrorIs(t, err, nats.ErrMaxPayload)
		} else {
			require.ErrorAs(t, err, new(*control.Problem))
		}
	}
	require.Empty(t, parsed[[]control.Info](t, s.get(t, "/v1/runs")))
	stream, err := s.jetStream(t).Stream(t.Context(), subjects.StreamLog)
	require.NoError(t, err)
	require.Zero(t, stream.CachedInfo().State.LastSeq)
}
