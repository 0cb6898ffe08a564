package test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/fakevllm"
	"github.com/myriad-sim/myriad/internal/results"
	"github.com/myriad-sim/myriad/internal/runlog"
)

// A fork goes on where its parent was: its agents remember what they did and what they were told there, more rounds than a
// host keeps in memory, so its models are asked the very same and its result is the same. It pays for its own rounds only.
func TestForks(t *testing.T) {
	t.Parallel()
	const agents, rounds = 24, 12
	server, model := startVLLM(t, fakevllm.Options{Deterministic: true, CountPrompts: true})
	s := up(t, t.TempDir())
	second := call{env: []string{"MYRIAD_NATS_URL=" + s.nats, "MYRIAD_AGENTHOST_ID=second"}}.start(t, "agenthost")
	second.says(t, &second.err, "agenthost runs")
	nc, js := s.connect(t), s.jetStream(t)
	sys := &system{nc: nc, js: js}
	sys.ready(t, 2)

	parent := sys.submit(t, control.Submission{Source: guessingOn("forked", rounds, agents, "", "memory: {turns: all}\n", model), ShardSize: 10})
	v := visitor{nc, parent}
	require.Eventually(t, func() bool { return s.state(t, parent).Round >= 2 }, patience, often)
	v.sayJSON(t, 13, "observe", `{"content": "It rains in the mountains."}`)
	told := sys.order(t, control.Status, control.Order{Run: parent}).Round
	played := sys.settled(t, parent)
	require.Equal(t, "finished", played.Status(), played.Reason)
	require.Less(t, told, 10)
	parents := sys.rows(t, played)

	fork := func(of, query string) *runlog.State {
		got := s.do(t, http.MethodPost, "/v1/runs/"+of+"/fork"+query, nil)
		require.Equal(t, http.StatusAccepted, got.status, got.body)
		info := parsed[control.Info](t, got.body)
		require.Equal(t, "/v1/runs/"+info.ID, got.header.Get("Location"))
		st := sys.settled(t, info.ID)
		require.Equal(t, "finished", st.Status(), st.Reason)
		return st
	}
	// repeated is a fork in which nothing is changed: the conversations are such as its models had before.
	repeated := func(of, query string, rounds int) *runlog.State {
		before := server.Prompts()
		st := fork(of, query)
		total, rain, strange := 0, false, []string{}
		for text, n := range server.Prompts() {
			if before[text] == 0 {
				strange = append(strange, text)
			}
			total += n - before[text]
			rain = rain || n > before[text] && strings.Contains(text, "It rains in the mountains.")
		}
		if len(strange) > 0 { // the later ones follow from the first
			first := slices.MinFunc(strange, func(a, b string) int { return len(a) - len(b) })
			nearest := slices.MaxFunc(slices.Collect(maps.Keys(before)), func(a, b string) int { return common(a, first) - common(b, first) })
			require.Failf(t, "the fork was asked differently", "%d conversations of %s are new, such as\n%s\nThe run it is a fork of had\n%s",
				len(strange), query, first, nearest)
		}
		require.Equal(t, rounds*agents, total, "the rounds it has not inherited, once")
		require.True(t, rain, "what an agent was told is part of the past of the fork")
		require.Equal(t, said(parents), said(sys.rows(t, st)))
		require.Equal(t, played.Hash, st.Hash)
		return st
	}

	same := repeated(parent, "?at_round=10", 2)
	require.NotEmpty(t, same.Hash)
	require.Equal(t, &runlog.ForkOf{Run: parent, Round: 10, Seq: played.Rounds[9].EnvSeq}, same.Created.Fork)

	rows := sys.rows(t, same)
	require.Len(t, rows, rounds*agents)
	for i := range rows {
		require.Equal(t, same.Run, rows[i].Run)
		rows[i].Run = parent
		if rows[i].Round > 10 { // shares of batches, which may be others
			rows[i].TokensIn, parents[i].TokensIn = 0, 0
			rows[i].TokensOut, parents[i].TokensOut = 0, 0
		}
	}
	require.Equal(t, parents, rows)
	sum := results.Summary(same)
	require.Len(t, sum.Rounds, rounds)
	require.Zero(t, sum.Receipt.Lost)
	require.Eventually(t, func() bool { return account(t, js, same.Run).Total().Calls == 2*agents }, patience, often, "only its own calls")
	require.Equal(t, "Rounds 1 to 10 are those of run "+parent+".", sum.Inherited())
	require.Contains(t, s.get(t, "/v1/runs/"+same.Run+"/report"), sum.Inherited())

	again := repeated(same.Run, "?at_round=11&name=again", 1)
	require.True(t, strings.HasPrefix(again.Run, "again-"))
	require.Equal(t, []string{parent, same.Run}, []string{again.Past[0].Run, again.Past[1].Run})
	at := max(4, told+1) // where what it was told is the past of a fork
	repeated(again.Run, fmt.Sprintf("?at_round=%d", at), rounds-at)
	late := visitor{nc, again.Run}.sayJSON(t, 13, "state", "")["content"].(string)
	require.Equal(t, visitor{nc, parent}.sayJSON(t, 13, "state", "")["content"], late)
	require.Contains(t, late, "It rains in the mountains.")

	early := fork(again.Run, "?at_round=1&rounds=2")
	require.NotContains(t, visitor{nc, early.Run}.sayJSON(t, 13, "state", "")["content"], "It rains", "it was told that later")

	longer := fork(parent, "?at_round=12&rounds=13&seed=99")
	require.Len(t, longer.Rounds, 13)
	require.Equal(t, played.Chain, longer.Rounds[11].Closed.Chain)
	require.Equal(t, uint64(99), longer.Scenario.Seed)
	require.Equal(t, played.Population, longer.Population)

	for query, where := range map[string]string{
		"?at_round=13": "query.at_round", "?at_round=-1": "query.at_round", "?at_round=3&agents=9": "query.agents", "?at_round=3&rounds=2": "query.rounds",
		"?at_round=3&set=vars.nothing=1": "query.set", "?at_round=3&set=population.background.generator=template": "population", "": "query.at_round",
	} {
		p := s.problem(t, http.MethodPost, "/v1/runs/"+parent+"/fork"+query, nil)
		require.Equal(t, http.StatusUnprocessableEntity, p.Status, query)
		require.Len(t, p.Errors, 1, query)
		require.Equal(t, where, p.Errors[0].Location, p.Detail)
	}
	require.Equal(t, http.StatusNotFound, s.problem(t, http.MethodPost, "/v1/runs/none/fork?at_round=1", nil).Status)
	require.Error(t, control.Ask(t.Context(), nc, control.Fork, control.ForkOrder{Run: parent, AtRound: 1, ShardSize: 7}, nil))

	out := call{}.run(t, "fork", parent, "--at-round", "11", "--server", s.nats).ok(t)
	require.Regexp(t, `^forked-\S+ is created, with 11 rounds of `+parent+"\n$", out)
	require.Equal(t, played.Hash, sys.settled(t, strings.Fields(out)[0]).Hash)
}

// common is how many bytes two texts begin with in common.
func common(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}
