package fakevllm

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	chatPath  = "/chat/completions"
	batchPath = "/chat/completions/batch"
)

func (p *peer) script(t *testing.T, f Fault) {
	t.Helper()
	require.NoError(t, p.Set(Faults{Script: map[int]Fault{1: f}, After: 1500 * time.Millisecond, Pace: time.Millisecond}))
}

func TestFaultsWithAStatus(t *testing.T) {
	p := start(t, Options{})
	for fault, want := range map[Fault]int{TooMany: 429, TooManyAfter: 429, Unavailable: 503, UnavailAfter: 503, Internal: 500, TooLarge: 413, ContextLen: 400} {
		for path, body := range map[string]string{chatPath: chatBody(ask), batchPath: batchBody(numbered(3)), "/embeddings": `{"input":"x"}`} {
			p.script(t, fault)
			r := p.post(t, path, body)
			require.Equal(t, want, r.status, fault)
			e := r.refused(t)
			require.NotEmpty(t, e.Message)
			after := ""
			if strings.HasSuffix(string(fault), "-after") {
				after = "2"
			}
			require.Equal(t, after, r.header.Get("Retry-After"), fault)
			if fault == ContextLen {
				require.Contains(t, e.Message, "This model's maximum context length is 32768 tokens.")
			}
			require.Equal(t, http.StatusOK, p.post(t, path, body).status, "only the first request fails")
		}
	}
	require.Equal(t, uint64(3), p.Stats().Faults[TooMany])
	require.Zero(t, p.Stats().Refused)
}

func TestFaultsOfChoices(t *testing.T) {
	p := start(t, Options{})
	indexes := func(fault Fault, path, body string) []int {
		p.script(t, fault)
		out := []int{}
		for _, c := range p.post(t, path, body).completion(t).Choices {
			out = append(out, c.Index)
		}
		return out
	}
	for fault, want := range map[Fault][2][]int{
		WrongCount: {{0, 1}, {0, 1}}, WrongOrder: {{1}, {2, 1, 0}}, Duplicate: {{0, 0}, {0, 1, 1}}, NoChoices: {{}, {}},
	} {
		require.Equal(t, want[0], indexes(fault, chatPath, chatBody(ask)), fault)
		require.Equal(t, want[1], indexes(fault, batchPath, batchBody(numbered(3))), fault)
	}
	// Turned round, each choice still belongs to its index.
	p.script(t, WrongOrder)
	asked := []string{"from 1 to 1", "from 2 to 2", "from 3 to 3"}
	require.Equal(t, []string{"3", "2", "1"}, contents(p.post(t, batchPath, batchBody(asked)).completion(t)))
}

func TestMalformed(t *testing.T) {
	p := start(t, Options{})
	p.script(t, Malformed)
	r := p.post(t, chatPath, chatBody(ask))
	require.Equal(t, http.StatusOK, r.status)
	require.False(t, json.Valid(r.body))
	require.True(t, strings.HasPrefix(string(r.body), `{"id":"chatcmpl-`))
}

func TestResetMidBody(t *testing.T) {
	p := start(t, Options{})
	for path, body := range map[string]string{chatPath: chatBody(ask), batchPath: batchBody(numbered(100)), "/embeddings": `{"input":"x"}`} {
		p.script(t, Reset)
		r, err := p.try(t.Context(), path, body)
		require.ErrorIs(t, err, syscall.ECONNRESET)
		require.Equal(t, http.StatusOK, r.status, "the header came")
		require.NotEmpty(t, r.body)
		require.False(t, json.Valid(r.body))
	}
	// Without a connection to be had the body just ends.
	p.script(t, Reset)
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/chat/completions", strings.NewReader(chatBody(ask)))
	req.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	p.Handler().ServeHTTP(w, req)
	require.Less(t, w.Body.Len(), len(p.post(t, chatPath, chatBody(ask)).body)*3/4)
}

func TestHangEndsWithTheClient(t *testing.T) {
	p := start(t, Options{})
	p.script(t, Hang)
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+chatPath, strings.NewReader(chatBody(ask)))
		if err == nil {
			req.Header.Set("Content-Type", "application/json")
			_, err = p.http.Do(req) //nolint:bodyclose // there is no response
		}
		failed <- err
	}()
	require.Eventually(t, func() bool { return p.Stats().InFlight == 1 }, 5*time.Second, time.Millisecond)
	cancel()
	require.ErrorIs(t, <-failed, context.Canceled)
	require.Eventually(t, func() bool { return p.Stats().InFlight == 0 }, 5*time.Second, time.Millisecond)
	require.Equal(t, 1, p.Stats().MaxInFlight)
	require.Zero(t, p.Stats().Asked)
}

func TestSlowLoris(t *testing.T) {
	p := start(t, Options{})
	whole := len(p.post(t, chatPath, chatBody(ask)).body)
	p.script(t, Slow)
	begin := time.Now()
	r := p.post(t, chatPath, chatBody(ask))
	require.Greater(t, time.Since(begin), time.Duration(whole-8)*time.Millisecond/2)
	require.NotEmpty(t, r.completion(t).Choices[0].Message.Content)
}

func TestSharesOfFaults(t *testing.T) {
	count := func() Stats {
		p := start(t, Options{Seed: 5, Faults: Faults{Shares: map[Fault]float64{TooMany: 0.2, Internal: 0.1}, Script: map[int]Fault{7: TooLarge}}})
		for range 500 {
			p.post(t, chatPath, chatBody(ask))
			p.get(t, "/health")
		}
		return p.Stats()
	}
	a, b := count(), count()
	require.Equal(t, a.Faults, b.Faults, "the seed decides")
	require.InDelta(t, 100, float64(a.Faults[TooMany]), 4*math.Sqrt(80))
	require.InDelta(t, 50, float64(a.Faults[Internal]), 4*math.Sqrt(45))
	require.Equal(t, uint64(1), a.Faults[TooLarge])
	require.Equal(t, 500-a.Faults[TooMany]-a.Faults[Internal]-1, a.Completions)
}

func TestParseFaults(t *testing.T) {
	f, err := ParseFaults(" 429:0.02, reset:0.01,500@3 ,429:0.03,")
	require.NoError(t, err)
	require.Equal(t, Faults{Shares: map[Fault]float64{TooMany: 0.05, Reset: 0.01}, Script: map[int]Fault{3: Internal}}, f)
	f, err = ParseFaults("")
	require.NoError(t, err)
	require.Empty(t, f.Shares)
	for _, bad := range []string{"429", "429:x", "500@x", "500@0", "plague:0.1", "429:2", "429:0.6,500:0.6", "429:NaN"} {
		_, err := ParseFaults(bad)
		require.ErrorIs(t, err, ErrFaults, bad)
	}
}

func TestKillAndRevive(t *testing.T) {
	p := start(t, Options{PerToken: time.Hour})
	failed := make(chan error, 3)
	for range 3 {
		go func() {
			_, err := p.try(t.Context(), batchPath, batchBody(numbered(10)))
			failed <- err
		}()
	}
	require.Eventually(t, func() bool { return p.Stats().Running == 30 }, 5*time.Second, time.Millisecond)
	require.ErrorIs(t, p.Revive(), ErrNotKilled)
	p.Kill()
	p.Kill()
	for range 3 {
		err := <-failed
		require.True(t, errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF), "%v", err)
	}
	require.Eventually(t, func() bool { return p.Stats().Running == 0 && p.Stats().InFlight == 0 }, 5*time.Second, time.Millisecond)
	_, err := net.Dial("tcp", p.addr)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.NoError(t, p.Revive())
	require.Equal(t, http.StatusOK, p.get(t, "/health").status, "at the same address")
	require.Contains(t, string(p.get(t, "/metrics").body), `vllm:request_success_total{engine="0",model_name="fake",finished_reason="abort"} 0`,
		"a server that starts counts from 0")
	require.Equal(t, uint64(30), p.Stats().Aborted)
	_, err = p.Start()
	require.ErrorIs(t, err, ErrStarted)
	p.Close()
	p.Close()
	require.ErrorIs(t, p.Revive(), ErrNotKilled)
}

func TestRevivedServersHaveNoPrefixes(t *testing.T) {
	p := start(t, Options{})
	for range 2 {
		p.post(t, batchPath, string(gameBody(0, 1)))
	}
	hits := p.Stats().PrefixHits
	require.NotZero(t, hits)
	p.Kill()
	require.NoError(t, p.Revive())
	p.post(t, batchPath, string(gameBody(0, 1)))
	require.Equal(t, hits, p.Stats().PrefixHits)
}

// A handler inside somebody else's server ends as well, and its client sees no answer.
func TestCloseEndsWaitingHandlers(t *testing.T) {
	s, err := New(Options{PerToken: time.Hour})
	require.NoError(t, err)
	around := httptest.NewServer(s.Handler())
	defer around.Close()
	failed := make(chan error, 1)
	go func() {
		resp, err := around.Client().Post(around.URL+"/v1/chat/completions", "application/json", strings.NewReader(chatBody(ask)))
		if err == nil {
			err = resp.Body.Close()
		}
		failed <- err
	}()
	require.Eventually(t, func() bool { return s.Stats().Running == 1 }, 5*time.Second, time.Millisecond)
	s.Close()
	require.Error(t, <-failed)
	resp, err := around.Client().Get(around.URL + "/health")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
}

func TestAdmin(t *testing.T) {
	p := start(t, Options{})
	admin := func(method, path, body string) (int, Stats) {
		req := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
		w := httptest.NewRecorder()
		p.Admin().ServeHTTP(w, req)
		var st Stats
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &st))
		return w.Code, st
	}
	status, _ := admin("POST", "/fault", "429:1")
	require.Equal(t, 200, status)
	require.Equal(t, 429, p.post(t, chatPath, chatBody(ask)).status)
	status, _ = admin("POST", "/fault", "429:7")
	require.Equal(t, 400, status)
	require.Equal(t, 429, p.post(t, chatPath, chatBody(ask)).status, "what cannot be read changes nothing")
	admin("POST", "/fault", "")
	require.Equal(t, 200, p.post(t, chatPath, chatBody(ask)).status)
	admin("POST", "/kill", "")
	_, err := p.try(t.Context(), chatPath, chatBody(ask))
	require.Error(t, err)
	status, _ = admin("POST", "/revive", "")
	require.Equal(t, 200, status)
	require.Equal(t, 200, p.post(t, chatPath, chatBody(ask)).status)
	_, st := admin("GET", "/stats", "")
	require.Equal(t, uint64(2), st.Faults[TooMany])
	require.Equal(t, uint64(2), st.Completions)
}
