package test

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/fakevllm"
	"github.com/myriad-sim/myriad/internal/report"
	"github.com/myriad-sim/myriad/internal/results"
	"github.com/myriad-sim/myriad/internal/runlog"
)

// budgetRounds and budgetAgents are those of the runs of this file.
const budgetRounds, budgetAgents = 3, 600

func budgetSource(name string, tokens uint64, url string) string {
	more := ""
	if tokens > 0 {
		more = fmt.Sprintf("budget: {tokens: %d}", tokens)
	}
	return guessingOn(name, budgetRounds, budgetAgents, "concurrency: 64,", more, url)
}

// needed plays the run without a budget, and returns its hash and what it took by the count of the server.
func needed(t *testing.T, noBatch bool) (hash string, tokens uint64) {
	t.Helper()
	server, url := startVLLM(t, fakevllm.Options{Deterministic: true, NoBatch: noBatch})
	st := startSystem(t, nil).play(t, control.Submission{Source: budgetSource("unbudgeted", 0, url)})
	return hex.EncodeToString(st.Hash), counted(server)
}

// counted are the tokens that a server has counted.
func counted(s *fakevllm.Server) uint64 {
	st := s.Stats()
	return st.PromptTokens + st.OutputTokens
}

var (
	moreCommand = regexp.MustCompile(`(?m)^ +(\S.* resume \S+ .*--tokens \d+)$`)
	alertLine   = regexp.MustCompile(`(?m)^(\d+) % of the budget is used: `)
)

// A budget of half of what a run needs is not exceeded by one token, with 64 calls at a time. The run pauses and says how to
// go on; with more it ends as if it had never stopped.
func TestBudgetOfHalfTheRun(t *testing.T) {
	t.Parallel()
	for name, noBatch := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hash, all := needed(t, noBatch)
			limit := all / 2
			server, url := startVLLM(t, fakevllm.Options{Deterministic: true, NoBatch: noBatch, PerToken: time.Millisecond})
			c := call{dir: write(t, "half.yaml", budgetSource("half", limit, url))}
			p := c.run(t, "run", "half.yaml")
			stderr := p.fails(t, 3)
			require.Contains(t, stderr, "Paused: ")
			require.Contains(t, stderr, fmt.Sprintf("may spend %d tokens", limit))
			require.LessOrEqual(t, counted(server), limit)
			require.Greater(t, counted(server), limit*9/10, "the budget is put to use")
			require.NotEmpty(t, alertLine.FindAllString(p.out.String(), -1), p.out.String())
			require.Contains(t, p.out.String(), "100 % of the budget is used: ")

			// The command has twice as much: what is needed, but not what the last calls may need. It may be run again.
			for tries := 0; p.wait(t) == 3 && tries < 2; tries++ {
				command := moreCommand.FindStringSubmatch(p.err.String())
				require.NotNil(t, command, p.err.String())
				p = c.exec(t, "/bin/sh", "-c", command[1]+" --json --out all")
			}
			sum := parsed[report.Summary](t, p.ok(t))
			require.Equal(t, "finished", sum.State)
			require.Equal(t, hash, sum.ResultHash)
			require.Equal(t, all, counted(server), "nothing was asked twice")
			require.Zero(t, sum.Receipt.Lost+sum.Receipt.Duplicates+sum.Receipt.Retries+sum.Receipt.TokensUnreported)
			require.Equal(t, int(server.Stats().PromptTokens), sum.Receipt.TokensIn)
			require.Equal(t, int(server.Stats().OutputTokens), sum.Receipt.TokensOut)
		})
	}
}

// The same with two llmproxies that share the budget, one of which is killed: what it held counts as spent.
func TestBudgetOfTwoProxies(t *testing.T) {
	t.Parallel()
	hash, all := needed(t, true)
	limit := all / 2
	for name, kill := range map[string]bool{"shared": false, "one killed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, url := startVLLM(t, fakevllm.Options{Deterministic: true, NoBatch: true, PerToken: 5 * time.Millisecond})
			s := startServices(t, "MYRIAD_AGENTHOST_BATCH=25")
			run := s.submit(t, control.Submission{Source: budgetSource("half", limit, url)})
			if kill {
				require.Eventually(t, func() bool { return counted(server) > limit/4 }, patience, often/4)
				require.NoError(t, s.proxies[0].cmd.Process.Kill())
			}
			st := s.settled(t, run)
			require.Equal(t, "paused", st.Status())
			require.False(t, st.Waiting)
			require.Contains(t, st.Reason, fmt.Sprintf("may spend %d tokens", limit))
			require.Less(t, st.Round, budgetRounds)
			require.LessOrEqual(t, counted(server), limit)
			a := account(t, s.js, run)
			spent := a.Total().Amount().Tokens + a.Held().Tokens
			require.LessOrEqual(t, spent, limit)
			require.GreaterOrEqual(t, spent, counted(server), "what the server counted is spent or held")
			require.Equal(t, limit, a.Caps.Run.Tokens)

			// As long as it is spent, going on leads nowhere.
			s.order(t, control.Resume, control.Order{Run: run})
			require.Equal(t, "paused", s.settled(t, run).Status())
			require.LessOrEqual(t, counted(server), limit)

			s.order(t, control.Resume, control.Order{Run: run, Caps: &control.Caps{Tokens: 3 * all}})
			st = s.settled(t, run)
			require.Equal(t, "finished", st.Status(), st.Reason)
			require.Equal(t, hash, answersOnce(t, s.js, run))
			require.LessOrEqual(t, counted(server), 3*all)
			sum := results.Summary(st)
			for _, f := range sum.Receipt.FaultList { // a spent budget is none
				require.True(t, kill && f.Who == "llmproxy", f)
			}
			require.Eventually(t, func() bool { return results.Settled(&sum, account(t, s.js, run)) || kill }, patience, often)
			if !kill {
				require.Equal(t, all, counted(server), "nothing was asked twice")
				return
			}
			a = account(t, s.js, run)
			require.NotZero(t, a.Held().Tokens, "what the dead proxy held stays")
			require.GreaterOrEqual(t, a.Total().Amount().Tokens+a.Held().Tokens, counted(server))
			require.Positive(t, sum.Receipt.RepeatedCalls)
		})
	}
}

// Of a run without a budget, one that was given later holds as well; and less than was spent is refused.
func TestBudgetGivenLater(t *testing.T) {
	t.Parallel()
	hash, all := needed(t, true)
	server, url := startVLLM(t, fakevllm.Options{Deterministic: true, NoBatch: true, PerToken: 5 * time.Millisecond})
	sys := startSystem(t, nil)
	run := sys.submit(t, control.Submission{Source: budgetSource("later", 0, url)})
	require.Eventually(t, func() bool { return counted(server) > all/4 }, patience, often/4)
	sys.order(t, control.Pause, control.Order{Run: run, Reason: "think"})
	still(t, 0, server)
	require.Eventually(t, func() bool { return account(t, sys.js, run).Total().Amount().Tokens >= counted(server) }, patience, often)
	refusal := func(tokens uint64) *control.Problem {
		var p *control.Problem
		require.ErrorAs(t, control.Ask(t.Context(), sys.nc, control.Resume, control.Order{Run: run, Caps: &control.Caps{Tokens: tokens}}, nil), &p)
		return p
	}
	require.Equal(t, "too_little", refusal(counted(server)/2).Code)
	limit := counted(server) + (all-counted(server))/2
	sys.order(t, control.Resume, control.Order{Run: run, Caps: &control.Caps{Tokens: limit}})
	st := sys.settled(t, run)
	require.Equal(t, "paused", st.Status())
	require.Contains(t, st.Reason, fmt.Sprintf("may spend %d tokens", limit))
	require.LessOrEqual(t, counted(server), limit)
	sys.order(t, control.Resume, control.Order{Run: run, Caps: &control.Caps{Tokens: 2 * all}})
	st = sys.settled(t, run)
	require.Equal(t, "finished", st.Status(), st.Reason)
	require.Equal(t, hash, answersOnce(t, sys.js, run))
	require.Equal(t, all, counted(server))
	require.Equal(t, &runlog.Caps{Tokens: 2 * all}, st.Caps)
}
