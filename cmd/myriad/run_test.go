package main

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/usage"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// paper is a terminal that can be read while it is written on.
type paper struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (p *paper) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *paper) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// playing is a session whose run waits for a model that never answers.
type playing struct {
	*testing.T
	*session
	out  *paper
	run  string
	done chan error
}

func play(t *testing.T, budget string) *playing {
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(hang) })
	source := `version: 1
name: hanging
population: {size: 3}
models: {player: {provider: openai, endpoints: ['` + server.URL + `/v1'], model: m, max_tokens: 10}}
agents: {all: {model: player}}
turn: [{id: guess, ask: "?", answer: {type: number, min: 0, max: 9}}]
` + budget
	p := &playing{T: t, out: &paper{}, done: make(chan error, 1)}
	a := &app{out: p.out, err: p.out, log: slog.New(slog.DiscardHandler)}
	flags := outputFlags{Data: t.TempDir(), Out: t.TempDir()}
	s, err := flags.open(t.Context(), a, true)
	require.NoError(t, err)
	p.session = s
	info, err := s.order(t.Context(), control.Submit, control.Submission{File: "hanging.yaml", Source: source})
	require.NoError(t, err)
	p.run = info.ID
	go func() { p.done <- s.play(t.Context(), info) }()
	t.Cleanup(func() { s.close(t.Context()) })
	require.Eventually(t, func() bool {
		st, err := runlog.ReadControl(t.Context(), s.js, p.run)
		return err == nil && st.Round == 1
	}, 10*time.Second, 10*time.Millisecond)
	return p
}

func (p *playing) tell(endpoint string, in any) {
	p.Helper()
	require.NoError(p, control.Ask(p.Context(), p.stack.Conn(), endpoint, in, nil))
}

func (p *playing) shows(text string) {
	p.Helper()
	require.Eventually(p, func() bool { return strings.Contains(p.out.String(), text) }, 30*time.Second, 10*time.Millisecond, "%s\n%s", text, p.out)
}

func (p *playing) ends() exitCode {
	p.Helper()
	select {
	case err := <-p.done:
		code, ok := errors.AsType[exitCode](err)
		require.True(p, ok, "%v", err)
		return code
	case <-time.After(10 * time.Second):
		require.Fail(p, "the command goes on", p.out.String())
		return exitCode{}
	}
}

// A run that waits for a server keeps the command, which says so once, and that it goes on.
func TestTheCommandWaitsForServers(t *testing.T) {
	p := play(t, "")
	outage := control.Outage{Run: p.run, Model: "player", Down: true, Reason: "connection refused", From: "p1"}
	p.tell(control.Models, outage)
	p.shows("Waiting: model player: no server can be reached: connection refused; the run goes on by itself when one is back (Ctrl-C stops, resume goes on)\n")
	p.tell(control.Models, outage)
	outage.Down = false
	p.tell(control.Models, outage)
	p.shows("Going on.\n")
	p.tell(control.Pause, control.Order{Run: p.run, Reason: "lunch"})
	code := p.ends()
	require.Equal(t, 3, code.code)
	require.Contains(t, code.msg, "Paused: lunch")
	require.Contains(t, code.msg, "Go on with: ")
	require.NotContains(t, code.msg, "--tokens")
	require.Equal(t, 1, strings.Count(p.out.String(), "Waiting: "))
	require.NotContains(t, p.out.String(), "budget")
}

// A run whose budget is spent ends the command, which says how much was spent and how to go on with more.
func TestTheCommandOfASpentBudget(t *testing.T) {
	prices := filepath.Join(t.TempDir(), "prices.yaml")
	require.NoError(t, os.WriteFile(prices, []byte("currency: USD\nmodels: {m: {input: 1, output: 1}}\n"), 0o600))
	t.Setenv("MYRIAD_LLMPROXY_PRICES", prices)
	p := play(t, "budget: {tokens: 100000, models: {player: {money: 0.5}}}\n")
	st, err := runlog.ReadControl(t.Context(), p.js, p.run)
	require.NoError(t, err)
	kv, err := p.js.KeyValue(t.Context(), subjects.BucketUsage)
	require.NoError(t, err)
	book := usage.NewBook(kv, "test", slog.New(slog.DiscardHandler))
	require.NoError(t, book.Start(t.Context()))
	u := usage.Use{Calls: 3, TokensIn: 40_000, TokensOut: 12_000, Micros: 460_000}
	budget := llm.Budget{Seq: st.CapsSeq, Run: llm.Cap{Tokens: 100_000}, Model: llm.Cap{Micros: 500_000}}
	require.Eventually(t, func() bool {
		h, err := book.Reserve(p.run, "player", budget, u.Amount(), func() {})
		if err == nil {
			h.Settle(u)
		}
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, book.Stop(t.Context()))
	p.shows("80 % of the budget is used: 52,000 of 100,000 tokens, 0.46 spent, model player 0.46 of 0.50 spent\n")
	p.shows("Round 1/1: 0 of 3 answers, 52,000 of 100,000 tokens, 0.46 spent, model player 0.46 of 0.50 spent\n")

	p.tell(control.Trouble, runlog.Trouble{Run: p.run, From: "h", Reason: "the budget is spent", Budget: true})
	code := p.ends()
	require.Equal(t, 3, code.code)
	require.Contains(t, code.msg, "Paused: the budget is spent\n")
	require.Contains(t, code.msg, "Spent: 52,000 of 100,000 tokens, 0.46 spent, model player 0.46 of 0.50 spent.")
	require.Contains(t, code.msg, "resume "+p.run)
	require.True(t, strings.HasSuffix(code.msg, " --model-money player=1.125"), code.msg)
	require.Equal(t, 1, strings.Count(p.out.String(), "% of the budget is used"), "both parts were reached at once")
}

// The flags of resume are an order with caps.
func TestResumeFlags(t *testing.T) {
	require.Nil(t, (&resumeCmd{}).caps())
	c := &resumeCmd{Tokens: 5, ModelTokens: map[string]uint64{"a": 7}, ModelMoney: map[string]control.Money{"a": 8, "b": 9}}
	require.Equal(t, &control.Caps{Tokens: 5, Models: map[string]control.Cap{"a": {Tokens: 7, Money: 8}, "b": {Money: 9}}}, c.caps())
	for _, args := range [][]string{{"--money", "x"}, {"--tokens", "-1"}, {"--model-money", "a=x"}, {"--model-tokens", "a"}} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, 2, realMain(t.Context(), append([]string{"resume", "r"}, args...), &stdout, &stderr), args)
	}
	var stdout, stderr bytes.Buffer
	args := []string{"resume", "r", "--tokens", "5", "--money", "1.50", "--model-tokens", "a=7", "--model-money", "a=0.25", "--data", t.TempDir()}
	require.Equal(t, 1, realMain(t.Context(), args, &stdout, &stderr))
	require.Contains(t, stderr.String(), "there is no run of that id", "all of it was read")
}

func TestWhatIsShownOfSpending(t *testing.T) {
	require.Empty(t, spentText(usage.Account{Models: map[string]usage.Use{"m": {TokensIn: 5}}}), "neither price nor budget")
	require.Equal(t, "1,005 tokens, 1.50 spent", spentText(usage.Account{Models: map[string]usage.Use{"m": {TokensIn: 5, TokensOut: 1000, Micros: 1_500_000}}}))
	require.Equal(t, "0 tokens, 0.00 of 2.00 spent", spentText(usage.Account{Caps: usage.Caps{Run: usage.Cap{Micros: 2_000_000}}}))
}
