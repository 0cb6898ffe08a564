package coordinator

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/hosts"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// requireProblem checks that a response is a problem of RFC 9457 and returns it.
func requireProblem(t *testing.T, res answer, status int, code string) httpProblem {
	t.Helper()
	require.Equal(t, status, res.StatusCode, res.text)
	require.Equal(t, "application/problem+json", res.Header.Get("Content-Type"))
	var p httpProblem
	require.NoError(t, json.Unmarshal([]byte(res.text), &p))
	require.Equal(t, status, p.Status)
	require.Equal(t, http.StatusText(status), p.Title)
	require.Equal(t, "about:blank", p.Type)
	require.Equal(t, code, p.Code, res.text)
	require.NotEmpty(t, p.Detail)
	return p
}

func decode[T any](t *testing.T, res answer) T {
	t.Helper()
	require.Less(t, res.StatusCode, 300, res.text)
	require.Equal(t, "application/json", res.Header.Get("Content-Type"))
	var v T
	require.NoError(t, json.Unmarshal([]byte(res.text), &v), res.text)
	return v
}

const gameJSON = `{
	"version": 1, "name": "guess", "seed": 7, "rounds": 2, "description": "smile \ud83d\ude00",
	"population": {"size": 4}, "models": {"player": {"provider": "dummy", "latency": "1ms"}}, "agents": {"players": {"model": "player"}},
	"turn": [{"id": "guess", "ask": "Which \"number\"?\nSay it.", "answer": {"type": "number", "min": 0, "max": 100}}]
}`

func TestSubmitTakesScenariosAsYAMLAndJSON(t *testing.T) {
	k := newStack(t)
	k.start()
	for contentType, body := range map[string]string{
		"application/yaml": game, "text/yaml; charset=utf-8": game, "application/x-www-form-urlencoded": game, "": game, "text/plain": game,
		"application/json": gameJSON, "application/json; charset=utf-8": gameJSON, "application/octet-stream": gameJSON,
	} {
		r := k.request(http.MethodPost, "/v1/runs", body)
		r.Header.Set("Content-Type", contentType)
		res := k.do(r)
		require.Equal(t, http.StatusAccepted, res.StatusCode, contentType+res.text)
		run := decode[control.Info](t, res)
		require.Equal(t, "/v1/runs/"+run.ID, res.Header.Get("Location"))
		require.Regexp(t, `^guess-[a-z0-9]+$`, run.ID)
		require.Equal(t, "created", run.State)
		require.Equal(t, body, k.get(res.Header.Get("Location")+"/scenario").text)
	}
}

func TestSubmitWithChanges(t *testing.T) {
	k := newStack(t)
	k.start()
	q := url.Values{
		"agents": {"12"}, "rounds": {"3"}, "seed": {"18446744073709551615"},
		"set": {"vars.ratio=1/2", "models.player.latency=2ms"}, "model": {"player=openai:http://localhost:8000/v1:a,b=c"},
	}
	// An openai model has no latency, so that one is for the other run.
	res := k.post("/v1/runs?"+q.Encode(), game)
	requireProblem(t, res, http.StatusUnprocessableEntity, "invalid")
	q["set"] = q["set"][:1]
	run := decode[control.Info](t, k.post("/v1/runs?"+q.Encode(), game))
	require.Equal(t, 12, run.Agents)
	require.Equal(t, 3, run.Rounds)
	require.Equal(t, uint64(18446744073709551615), run.Seed)
	st, err := runlog.ReadControl(t.Context(), k.js, run.ID)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"vars.ratio": "1/2"}, st.Created.Overrides.Set)
	require.Equal(t, "a,b=c", st.Scenario.Model("player").Model)

	run = decode[control.Info](t, k.post("/v1/runs?set=vars.ratio=1/2&set=vars.ratio=3/4", game))
	st, err = runlog.ReadControl(t.Context(), k.js, run.ID)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"vars.ratio": "3/4"}, st.Created.Overrides.Set)
	require.Nil(t, st.Created.Overrides.Agents)
}

func TestFaultsOfAScenarioHavePlaces(t *testing.T) {
	k := newStack(t)
	k.start()
	res := k.post("/v1/runs", strings.Replace(strings.Replace(game, "rounds: 2", "ronds: 2", 1), "max: 100}", "max: vars.hihg}", 1))
	p := requireProblem(t, res, http.StatusUnprocessableEntity, "invalid")
	require.Contains(t, p.Detail, "fault")
	first := p.Errors[0]
	require.Equal(t, "body:4:1", first.Location)
	require.Equal(t, []any{4, 1, "ronds: 2", "rounds"}, []any{first.Line, first.Column, first.SourceLine, strings.Trim(first.Suggestion, `"`)})
	require.NotContains(t, first.Detail, "scenario.yaml")

	for query, location := range map[string]string{
		"agents=0": "query.agents", "agents=many": "query.agents", "rounds=-1": "query.rounds", "seed=1.5": "query.seed",
		"set=vars.ration=1": "query.set", "set=novalue": "query.set", "model=nobody=levelk:1": "query.model", "agent=5": "query.agent",
	} {
		p := requireProblem(t, k.post("/v1/runs?"+query, game), http.StatusUnprocessableEntity, "invalid")
		require.Equal(t, location, p.Errors[0].Location, query)
		require.NotEmpty(t, p.Errors[0].Detail, query)
	}
	for _, body := range []string{"{", "\xff\xfe", "- a", "null", "\t", strings.Repeat("[", 10000)} {
		requireProblem(t, k.post("/v1/runs", body), http.StatusUnprocessableEntity, "invalid")
	}
	requireProblem(t, k.post("/v1/runs", ""), http.StatusBadRequest, "invalid")
	require.JSONEq(t, `[]`, k.get("/v1/runs").text, "nothing was started")
}

func TestBodiesHaveALimit(t *testing.T) {
	k := newStack(t)
	k.start()
	comment := func(n int) string { return game + "#" + strings.Repeat("x", n-len(game)-1) }
	require.Equal(t, http.StatusAccepted, k.post("/v1/runs", comment(512<<10)).StatusCode)
	requireProblem(t, k.post("/v1/runs", comment(512<<10+1)), http.StatusRequestEntityTooLarge, "too_large")
	requireProblem(t, k.post("/v1/runs", comment(3<<20)), http.StatusRequestEntityTooLarge, "too_large")
}

func TestRunsAreListedNewestFirst(t *testing.T) {
	k := newStack(t)
	k.start()
	var want []string
	for range 3 {
		want = append([]string{decode[control.Info](t, k.post("/v1/runs", game)).ID}, want...)
	}
	require.Eventually(t, func() bool {
		var got []string
		for _, i := range decode[[]control.Info](t, k.get("/v1/runs")) {
			got = append(got, i.ID)
		}
		return len(got) == 3 && got[0] == want[0] && got[1] == want[1] && got[2] == want[2]
	}, waitFor, pollEvery)
}

func TestTheListIsRightAfterACrash(t *testing.T) {
	k := newStack(t)
	w := k.write("done-1")
	w.begin(4)
	kv, err := k.js.KeyValue(t.Context(), subjects.BucketRuns)
	require.NoError(t, err)
	data, err := json.Marshal(info(&w.fold.State)) // all that was projected when the coordinator died
	require.NoError(t, err)
	_, err = kv.Put(t.Context(), "done-1", data)
	require.NoError(t, err)
	w.round(1)
	w.round(2)
	w.finish()
	k.start()
	list := decode[[]control.Info](t, k.get("/v1/runs"))
	require.Equal(t, "finished", list[0].State)
	require.NotEmpty(t, list[0].Hash)
}

func TestARunWithItsSummary(t *testing.T) {
	k := newStack(t)
	w := k.played("done-1")
	open := k.write("open-1")
	open.begin(4)
	open.open(1)
	open.answers(1, 0, 0, 3, 5, "5")
	k.start()
	run := decode[runDetail](t, k.get("/v1/runs/done-1"))
	require.Equal(t, "finished", run.State)
	require.Equal(t, "all played", run.Reason)
	require.NotNil(t, run.Ended)
	require.Len(t, run.Summary.Rounds, 2)
	require.InDelta(t, 15, *run.Summary.Rounds[1].Questions["guess"].Mean, 1e-12)
	require.Equal(t, run.Hash, run.Summary.ResultHash)
	require.Len(t, w.fold.Rounds, 2)

	require.Eventually(t, func() bool {
		run := decode[runDetail](t, k.get("/v1/runs/open-1"))
		return run.State == "running" && run.Round == 1 && run.Expected == 4 && run.Answered == 3 && run.Summary == nil
	}, waitFor, pollEvery)
	for _, id := range []string{"nobody", "UPPER", "a.b", "a*", "%3E", "..%2f..", strings.Repeat("a", 101), "a%00"} {
		requireProblem(t, k.get("/v1/runs/"+id), http.StatusNotFound, "not_found")
		requireProblem(t, k.post("/v1/runs/"+id+"/cancel", ""), http.StatusNotFound, "not_found")
	}
}

func TestPauseResumeCancel(t *testing.T) {
	k := newStack(t)
	k.played("done-1")
	k.start()
	id := decode[control.Info](t, k.post("/v1/runs", game)).ID
	order := func(verb string) answer { return k.post("/v1/runs/"+id+"/"+verb, "") }
	require.Eventually(t, func() bool { // until then it would be let go, see resume
		k.svc.mu.Lock()
		defer k.svc.mu.Unlock()
		return k.svc.drivers[id] != nil
	}, waitFor, pollEvery)
	requireProblem(t, order("resume"), http.StatusConflict, "not_paused")
	paused := decode[control.Info](t, order("pause?reason=lunch"))
	require.Equal(t, []string{"paused", "lunch"}, []string{paused.State, paused.Reason})
	require.Equal(t, "paused", decode[control.Info](t, order("pause")).State, "paused twice is paused")
	require.Equal(t, "created", decode[control.Info](t, order("resume")).State)
	require.Equal(t, "cancelled", decode[control.Info](t, order("cancel")).State)
	for _, verb := range []string{"pause", "resume", "cancel"} {
		p := requireProblem(t, order(verb), http.StatusConflict, "over")
		require.Contains(t, p.Detail, "cancelled")
		requireProblem(t, k.post("/v1/runs/done-1/"+verb, ""), http.StatusConflict, "over")
	}
	st, err := runlog.ReadControl(t.Context(), k.js, id)
	require.NoError(t, err)
	require.Equal(t, "asked for over HTTP", st.Reason)
}

func TestHosts(t *testing.T) {
	k := newStack(t)
	k.start()
	require.JSONEq(t, `[]`, k.get("/v1/hosts").text)
	kv, err := k.js.KeyValue(t.Context(), subjects.BucketHosts)
	require.NoError(t, err)
	require.NoError(t, hosts.Put(t.Context(), kv, hosts.Beat{ID: "h1", Incarnation: "i1", Agents: 7, Started: time.Now()}))
	require.Eventually(t, func() bool {
		list := decode[[]hosts.Beat](t, k.get("/v1/hosts"))
		return len(list) == 1 && list[0].ID == "h1" && list[0].Agents == 7
	}, waitFor, pollEvery)
}

func TestHealthAndReadiness(t *testing.T) {
	k := newStack(t)
	k.start()
	require.JSONEq(t, `{"status":"ok"}`, k.get("/healthz").text)
	require.JSONEq(t, `{"status":"ready","hosts":0}`, k.get("/readyz").text)
	k.nat.Kill(t)
	require.Eventually(t, func() bool { return k.get("/readyz").StatusCode == http.StatusServiceUnavailable }, waitFor, pollEvery)
	p := requireProblem(t, k.get("/readyz"), http.StatusServiceUnavailable, "unavailable")
	var missing []string
	for _, f := range p.Errors {
		missing = append(missing, f.Location)
	}
	require.Equal(t, []string{"nats", "log"}, missing)
	require.Equal(t, http.StatusOK, k.get("/healthz").StatusCode)
	k.nat.Restart(t)
	require.Eventually(t, func() bool { return k.get("/readyz").StatusCode == http.StatusOK }, waitFor, pollEvery)
}

func TestMetrics(t *testing.T) {
	k := newStack(t)
	k.played("done-1") // before the start: not counted
	w := k.write("open-1")
	w.begin(4)
	k.start()
	has := func(line string) func() bool {
		return func() bool { return strings.Contains(k.get("/metrics").text, "\n"+line+"\n") }
	}
	require.True(t, has("myriad_answers_accepted_total 0")())
	require.True(t, has("myriad_hosts 0")())
	require.Contains(t, k.get("/metrics").text, "go_goroutines")
	require.Eventually(t, has(`myriad_runs{state="created"} 1`), waitFor, pollEvery)
	// Three read the log: the counter, the driver of the run, and what waits for new runs.
	require.Eventually(t, func() bool { return consumers(t, k) == 3 }, waitFor, pollEvery)
	w.round(1)
	w.open(2)
	require.Eventually(t, has("myriad_rounds_closed_total 1"), waitFor, pollEvery)
	require.True(t, has("myriad_answers_accepted_total 4")())
	require.Eventually(t, has(`myriad_runs{state="running"} 1`), waitFor, pollEvery)
	require.True(t, has(`myriad_runs{state="created"} 0`)())
}

func consumers(t *testing.T, k *stack) int {
	s, err := k.js.Stream(t.Context(), subjects.StreamLog)
	require.NoError(t, err)
	return s.CachedInfo().State.Consumers
}
