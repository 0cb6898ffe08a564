package test

import (
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/msg"
)

// BenchmarkHop lays a chain of calls through three host processes, each on the promise of the one before, on a question that
// a person has not answered yet. Then the person answers, and the promises are kept one after the other: a hop is the time
// between two of them. Beside it, on the same broker and between two connections, a bare request and its reply.
func BenchmarkHop(b *testing.B) {
	s := up(b, b.TempDir())
	ids := []string{"h1", "h2", "h3"}
	for _, id := range ids {
		startHost(b, s, id)
	}
	w := open(b, s, "hops", ids...)
	ctx := b.Context()
	var agents []*agent.Ref
	for _, id := range ids {
		a, err := w.Agent(ctx, agent.Spec{Name: "step-" + id, Kind: "step"})
		require.NoError(b, err)
		agents = append(agents, a)
	}
	person, err := w.Agent(ctx, agent.Spec{Name: "person", Kind: "user"})
	require.NoError(b, err)
	n := 5000
	if testing.Short() {
		n = 200
	}
	for b.Loop() {
		m, err := person.Call(ctx, msg.New("test", msg.RoleUser, msg.Text("Which number?")))
		require.NoError(b, err)
		promised := make([]msg.Msg, n)
		for i := range promised {
			promised[i], err = agents[i%len(agents)].Call(ctx, m)
			require.NoError(b, err)
			m = promised[i]
		}
		state, err := person.State(ctx)
		require.NoError(b, err)
		answer := msg.New("person", msg.RoleUser, msg.Text("0"))
		answer.Metadata = map[string]any{agent.AnswersKey: openQuestion(b, state)}
		require.NoError(b, person.Observe(ctx, answer))
		kept, err := w.Client().ResolveAll(ctx, promised...)
		require.NoError(b, err)
		hops := make([]time.Duration, 0, n)
		for i := 1; i < n; i++ {
			hops = append(hops, kept[i].Time.Sub(kept[i-1].Time))
		}
		bare := bareRequests(b, s, n)
		slices.Sort(hops)
		slices.Sort(bare)
		hop, request := hops[len(hops)/2], bare[n/2]
		b.ReportMetric(float64(hop.Microseconds()), "hop-us")
		b.ReportMetric(float64(request.Microseconds()), "bare-us")
		b.ReportMetric(float64(hop)/float64(request), "hop/bare")
	}
}

// openQuestion is the number of the newest open question of an agent of the kind "user".
func openQuestion(t testing.TB, state msg.Msg) uint64 {
	t.Helper()
	var s struct {
		State struct {
			Questions []struct {
				Number uint64 `json:"number"`
			} `json:"questions"`
		} `json:"state"`
	}
	require.NoError(t, state.Content.Decode(&s))
	require.NotEmpty(t, s.State.Questions, "%s", state.Content)
	return s.State.Questions[len(s.State.Questions)-1].Number
}

func bareRequests(t testing.TB, s *upStack, n int) []time.Duration {
	t.Helper()
	one, other := s.connect(t), s.connect(t)
	sub, err := other.Subscribe("bare", func(m *nats.Msg) { _ = m.Respond(m.Data) })
	require.NoError(t, err)
	defer func() { require.NoError(t, sub.Unsubscribe()) }()
	require.NoError(t, other.Flush())
	took := make([]time.Duration, n)
	for i := range took {
		began := time.Now()
		_, err := one.Request("bare", []byte("0"), time.Minute)
		require.NoError(t, err)
		took[i] = time.Since(began)
	}
	return took
}
