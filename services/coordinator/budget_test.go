package coordinator

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/report"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/usage"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// speaking is the game with a language model in it, and with what else is wanted.
func speaking(model, extra string) string {
	out := strings.Replace(game, "{provider: dummy, latency: 1ms}", model, 1)
	return strings.Replace(out, "report:", extra+"\nreport:", 1)
}

const bounded = "{provider: openai, endpoints: ['http://localhost:9/v1'], model: m, max_tokens: 10}"

// spend books what calls of a run have used, as an llmproxy does.
func (k *stack) spend(run string, b llm.Budget, u usage.Use) {
	k.t.Helper()
	kv, err := k.js.KeyValue(k.t.Context(), subjects.BucketUsage)
	require.NoError(k.t, err)
	book := usage.NewBook(kv, "test-"+time.Now().String(), natstest.Logger(k.t))
	require.NoError(k.t, book.Start(k.t.Context()))
	var hold *usage.Hold
	require.Eventually(k.t, func() bool {
		h, err := book.Reserve(run, "player", b, u.Amount(), func() {})
		if errors.Is(err, usage.ErrWait) {
			return false
		}
		require.NoError(k.t, err)
		hold = h
		return true
	}, waitFor, pollEvery)
	hold.Settle(u)
	require.NoError(k.t, book.Stop(k.t.Context()))
}

func (k *stack) submit(source string) string {
	k.t.Helper()
	return decode[control.Info](k.t, k.post("/v1/runs", source)).ID
}

func (k *stack) read(run string) *runlog.State {
	k.t.Helper()
	st, err := runlog.ReadControl(k.t.Context(), k.js, run)
	require.NoError(k.t, err)
	return st
}

func (k *stack) resume(run, body string) answer {
	r := k.request(http.MethodPost, "/v1/runs/"+run+"/resume", body)
	r.Header.Set("Content-Type", "application/json")
	return k.do(r)
}

// A run whose budget is spent pauses, and goes on with more: with totals that are not below what is spent.
func TestResumeWithMore(t *testing.T) {
	k := newStack(t)
	k.start()
	run := k.submit(speaking(bounded, "budget: {tokens: 1000, money: 5.00}"))
	created := k.read(run)
	require.Equal(t, &runlog.Caps{Tokens: 1000, Micros: 5_000_000}, created.Caps)
	k.spend(run, llm.Budget{Seq: created.CapsSeq, Run: llm.Cap{Tokens: 1000, Micros: 5_000_000}},
		usage.Use{Calls: 9, Retries: 2, Hedges: 1, Shared: 3, TokensIn: 500, TokensOut: 300, Unreported: 100, Micros: 1_250_000})
	nc := k.nat.InProcess(t)
	require.NoError(t, control.Ask(t.Context(), nc, control.Trouble, runlog.Trouble{Run: run, From: "h", Reason: "1,000 tokens are spent", Budget: true}, nil))

	body := decode[runDetail](t, k.get("/v1/runs/"+run))
	require.Equal(t, "paused", body.State)
	require.False(t, body.Waiting)
	u := body.Usage
	require.Equal(t, useBody{Calls: 9, Retries: 2, Hedges: 1, Shared: 3, TokensIn: 500, TokensOut: 300, Unreported: 100, Money: money{1_250_000}}, u.Models["player"])
	require.Equal(t, u.Models["player"], u.Total)
	require.Equal(t, &capsBody{Tokens: 1000, Money: money{5_000_000}}, u.Caps)
	require.InDelta(t, 0.9, u.Share, 1e-12)
	require.Contains(t, k.get("/v1/runs/"+run).text, `"money":"1.25"`)

	sum := decode[report.Summary](t, k.get("/v1/runs/"+run+"/summary"))
	require.Equal(t, []any{"1.25", 100, 1}, []any{sum.Receipt.Money, sum.Receipt.TokensUnreported, sum.Receipt.Hedges}, "what no answer tells of is in the receipt")
	require.Contains(t, k.get("/v1/runs/"+run+"/report").text, "1.25")

	p := requireProblem(t, k.resume(run, `{"tokens": 899}`), http.StatusConflict, "too_little")
	require.Equal(t, "the run has spent 900 tokens already, and may not spend less: 899; caps are totals from the beginning of the run", p.Detail)
	p = requireProblem(t, k.resume(run, `{"money": "1.249999"}`), http.StatusConflict, "too_little")
	require.Contains(t, p.Detail, "the run has spent 1.25 in money already")
	p = requireProblem(t, k.resume(run, `{"models": {"player": {"tokens": 5}}}`), http.StatusConflict, "too_little")
	require.Contains(t, p.Detail, "model player has spent 900 tokens")
	for body, detail := range map[string]string{
		`{}`: "caps need tokens, money or models", `{"models": {"nobody": {"tokens": 5}}}`: `no model "nobody"`, `{"models": {"player": {}}}`: "tokens or money",
	} {
		require.Contains(t, requireProblem(t, k.resume(run, body), http.StatusUnprocessableEntity, "invalid").Detail, detail, body)
	}
	for _, body := range []string{`{"token": 5}`, `{"money": "five"}`, `{"money": -1}`, `{"tokens": -1}`, `{"tokens": 1.5}`, `[]`} {
		require.Equal(t, http.StatusUnprocessableEntity, k.resume(run, body).StatusCode, body)
	}
	require.True(t, k.read(run).Paused, "a refused order changes nothing")

	require.Equal(t, "created", decode[control.Info](t, k.resume(run, `{"tokens": 2000, "models": {"player": {"money": 1.5}}}`)).State)
	st := k.read(run)
	require.Equal(t, &runlog.Caps{Tokens: 2000, Micros: 5_000_000, Models: map[string]runlog.Cap{"player": {Micros: 1_500_000}}}, st.Caps)
	require.Greater(t, st.CapsSeq, created.CapsSeq)
	resumed, _ := k.listenTo(run, "").until("resumed")
	require.Equal(t, map[string]any{"tokens": 2000.0, "money": "5.00", "models": map[string]any{"player": map[string]any{"money": "1.50"}}}, resumed.data["caps"])
	require.Empty(t, st.Faults)

	// Without caps they stay, and over NATS it is the same order.
	require.Equal(t, http.StatusOK, k.post("/v1/runs/"+run+"/pause", "").StatusCode)
	require.Equal(t, http.StatusOK, k.post("/v1/runs/"+run+"/resume", "").StatusCode)
	require.Equal(t, st.CapsSeq, k.read(run).CapsSeq)
	require.Equal(t, http.StatusOK, k.post("/v1/runs/"+run+"/pause", "").StatusCode)
	order := control.Order{Run: run, Caps: &control.Caps{Tokens: 7}}
	var problem *control.Problem
	require.ErrorAs(t, control.Ask(t.Context(), nc, control.Resume, order, nil), &problem)
	require.Equal(t, "too_little", problem.Code)
	order.Caps.Tokens = 3000
	require.NoError(t, control.Ask(t.Context(), nc, control.Resume, order, nil))
	require.Equal(t, uint64(3000), k.read(run).Caps.Tokens)
}

// An account that cannot be read keeps nobody from the run, but nobody may add to a budget that is not known.
func TestADamagedAccount(t *testing.T) {
	k := newStack(t)
	k.start()
	run := k.submit(speaking(bounded, "budget: {tokens: 1000}"))
	kv, err := k.js.KeyValue(t.Context(), subjects.BucketUsage)
	require.NoError(t, err)
	_, err = kv.PutString(t.Context(), subjects.Encode(run), "{")
	require.NoError(t, err)
	require.Nil(t, decode[runDetail](t, k.get("/v1/runs/"+run)).Usage)
	require.Equal(t, http.StatusOK, k.get("/v1/runs/"+run+"/summary").StatusCode)
	require.Equal(t, http.StatusOK, k.post("/v1/runs/"+run+"/pause", "").StatusCode)
	requireProblem(t, k.resume(run, `{"tokens": 2000}`), http.StatusInternalServerError, "internal")
	require.True(t, k.read(run).Paused)
}

// A slice that an llmproxy held when it died counts as spent.
func TestWhatIsHeldCountsAsSpent(t *testing.T) {
	account := usage.Account{
		Models: map[string]usage.Use{"a": {TokensIn: 10}, "b": {TokensOut: 5}},
		Slices: []usage.Slice{{Writer: "w", Model: "a", Amount: usage.Amount{Tokens: 7}}},
	}
	require.Empty(t, below(&runlog.Caps{Tokens: 22, Models: map[string]runlog.Cap{"a": {Tokens: 17}, "b": {Tokens: 5}}}, account))
	require.Equal(t, "the run has spent 22 tokens already, and may not spend less: 21 (7 of it are held by llmproxies, for calls that may still be billed)",
		below(&runlog.Caps{Tokens: 21}, account))
	require.Contains(t, below(&runlog.Caps{Models: map[string]runlog.Cap{"a": {Tokens: 16}}}, account), "model a has spent 17 tokens")
	require.Empty(t, below(&runlog.Caps{Micros: 1}, account))
}

// A run without a budget may get one, if its scenario bounds what a call can cost.
func TestABudgetForARunWithoutOne(t *testing.T) {
	k := newStack(t)
	k.start()
	for source, want := range map[string]string{
		game: "no language model",
		speaking("{provider: openai, endpoints: ['http://localhost:9/v1'], model: m}", ""): "model player states no max_tokens",
		speaking(bounded, ""): "",
	} {
		run := k.submit(source)
		require.Nil(t, k.read(run).Caps)
		require.Nil(t, decode[runDetail](t, k.get("/v1/runs/"+run)).Usage)
		require.Equal(t, http.StatusOK, k.post("/v1/runs/"+run+"/pause", "").StatusCode)
		res := k.resume(run, `{"tokens": 50}`)
		if want != "" {
			require.Contains(t, requireProblem(t, res, http.StatusUnprocessableEntity, "invalid").Detail, want)
			continue
		}
		require.Equal(t, http.StatusOK, res.StatusCode)
		require.Equal(t, &runlog.Caps{Tokens: 50}, k.read(run).Caps)
		require.Equal(t, uint64(50), decode[runDetail](t, k.get("/v1/runs/"+run)).Usage.Caps.Tokens)
	}
}

// Events tell each part of a budget once, to one who comes late as well, and the run's page has them.
func TestBudgetEvents(t *testing.T) {
	k := newStack(t)
	k.start()
	run := k.submit(speaking(bounded, "budget: {tokens: 1000}"))
	l := k.listenTo(run, "")
	l.until("created")
	b := llm.Budget{Seq: k.read(run).CapsSeq, Run: llm.Cap{Tokens: 1000}}
	k.spend(run, b, usage.Use{Calls: 1, TokensIn: 500})
	first, _ := l.until("budget")
	require.Empty(t, first.id)
	require.InDelta(t, 50, first.data["percent"], 0)
	require.InDelta(t, 0.5, first.data["share"], 1e-12)
	require.Equal(t, []any{"run", "tokens", 500.0, 1000.0, run},
		[]any{first.data["which"], first.data["unit"], first.data["spent"], first.data["cap"], first.data["run"]})
	k.spend(run, b, usage.Use{Calls: 1, TokensIn: 350})
	second, seen := l.until("budget")
	require.Equal(t, []string{"budget"}, seen)
	require.InDelta(t, 80, second.data["percent"], 0)
	require.Len(t, decode[runDetail](t, k.get("/v1/runs/"+run)).Usage.Alerts, 2)

	require.Equal(t, http.StatusOK, k.post("/v1/runs/"+run+"/cancel", "").StatusCode)
	require.Equal(t, []string{"cancelled"}, kinds(l.rest()))
	k.stop()
	k.start() // another process knows them from the account
	require.Eventually(t, func() bool { return len(k.svc.alerts.from(run, 0)) == 2 }, waitFor, pollEvery)
	require.Equal(t, []string{"created", "budget", "budget", "cancelled"}, kinds(k.listenTo(run, "").rest()))
}

// The log tells each part once: half of a budget as information, more as a warning; what an earlier process told, never.
func TestAlertsAreLoggedOnce(t *testing.T) {
	var out bytes.Buffer
	start := time.Now()
	s := newAlerts(slog.New(slog.NewTextHandler(&out, nil)), start)
	account := usage.Account{
		Caps:   usage.Caps{Run: usage.Cap{Tokens: 1000}, Models: map[string]usage.Cap{"m": {Micros: 2_000_000}}},
		Models: map[string]usage.Use{"m": {TokensIn: 100, Micros: 1_000_000}},
	}
	hear := func(percent int, at time.Time) string {
		out.Reset()
		account.Alerts = append(account.Alerts, usage.Alert{Percent: percent, At: at})
		s.hear("r", account)
		s.hear("r", account)
		return out.String()
	}
	require.Empty(t, hear(10, start.Add(-time.Minute)))
	half := hear(50, start.Add(time.Minute))
	require.Equal(t, 1, strings.Count(half, "\n"))
	require.Contains(t, half, "level=INFO")
	require.Contains(t, half, `percent=50 which="model m" unit=money spent=1.00 held=0.00 cap=2.00`)
	for _, percent := range []int{80, 100} {
		more := hear(percent, start.Add(time.Minute))
		require.Equal(t, 1, strings.Count(more, "\n"))
		require.Contains(t, more, "level=WARN")
	}
	require.Len(t, s.from("r", 0), 4)
	require.Len(t, s.from("r", 3), 1)
	require.Empty(t, s.from("r", 9))
	require.Empty(t, s.from("other", 0))
	data, err := json.Marshal(s.from("r", 1)[0])
	require.NoError(t, err)
	require.Contains(t, string(data), `"spent":1.00,"held":0.00,"cap":2.00`)

	out.Reset()
	s.hear("r", usage.Account{Err: usage.ErrDamaged})
	require.Contains(t, out.String(), "level=ERROR")
	s.hear("r", usage.Account{Models: account.Models}) // no caps, nothing to tell
	require.Len(t, s.from("r", 0), 4)
}
