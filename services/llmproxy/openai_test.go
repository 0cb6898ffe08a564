package llmproxy

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

func TestOpenAIAsksWhatItIsTold(t *testing.T) {
	f := fake(t, func(r chatRequest, _ int) answer { return say("re: " + r.last()) })
	s := start(t, fast(t))
	m := f.model()
	hot, top := 0.9, 0.5
	m.Temperature, m.TopP, m.MaxTokens = &hot, &top, 64
	facts := numberFacts(0, 100)
	facts.Seed, facts.Vars = 987654321, map[string]string{"secretfact": "123456789"}
	req := request(t, m, facts, 2)
	req.System = "be brief"
	req.Calls[1].Messages = append([]llm.Message{{Role: llm.RoleAssistant, Content: "earlier"}}, req.Calls[1].Messages...)
	req.Calls[1].Persona = map[string]string{"mood": "secretmood"}
	got := s.ask(t, req)
	require.Equal(t, []string{"re: agent 0", "re: agent 1"}, got.text)
	require.Equal(t, []string{"", ""}, got.errs)
	require.Equal(t, "tiny-served", got.served)
	require.Equal(t, []int{22, 6}, []int{got.in, got.out})
	for _, r := range f.requests() {
		require.Equal(t, "tiny", r.Model)
		require.Equal(t, []float64{0.9, 0.5, 64}, []float64{*r.Temperature, *r.TopP, float64(r.MaxTokens)})
		require.Equal(t, chatMessage{"system", "be brief"}, r.Messages[0])
		if r.last() == "agent 1" {
			require.Equal(t, chatMessage{"assistant", "earlier"}, r.Messages[1])
		}
		for _, secret := range []string{"987654321", "seed", "secretfact", "123456789", "secretmood", "guess"} {
			require.NotContains(t, r.raw, secret, "facts do not go to a model")
		}
	}
}

func TestOpenAIExtractsAtTemperatureZero(t *testing.T) {
	f := fake(t, func(chatRequest, int) answer { return say("42") })
	s := start(t, fast(t))
	m := f.model()
	hot := 1.5
	m.Temperature = &hot
	req := request(t, m, nil, 1)
	req.Purpose = llm.PurposeExtract
	s.ask(t, req)
	require.Zero(t, *f.requests()[0].Temperature)
	s.ask(t, request(t, f.model(), nil, 1))
	require.Nil(t, f.requests()[1].Temperature, "the server's default is not ours to set")
}

// Every fault that may pass is tried again, counted, and ends in the whole completion.
func TestOpenAIRetriesWhatMayPass(t *testing.T) {
	faults := map[string]answer{
		"429": status(429, "slow down", "Retry-After", "0"), "408": status(408, "late"), "409": status(409, "conflict"),
		"500": status(500, "broken"), "502": status(502, "<html>bad gateway</html>"), "503": status(503, `{"error":{"message":"loading"}}`),
		"hang": hang, "cut": cut("12 is partial text"), "no choices": raw(`{"choices":[]}`), "empty object": raw(`{}`),
		"empty choice": say(""), "malformed": raw(`{"choices":[{"message":{"content":"7`), "not json": raw(`hello`),
		"html": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte("<p>hi"))
		},
		"wrong shape": raw(`{"choices":"none"}`), "reset": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	}
	cfg := fast(t)
	cfg.Timeout = 200 * time.Millisecond
	s := start(t, cfg)
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			f := fake(t, func(r chatRequest, n int) answer {
				if r.last() == "agent 1" && n <= 2 {
					return fault
				}
				return say("whole " + r.last())
			})
			got := s.ask(t, request(t, f.model(), nil, 3))
			require.Equal(t, []string{"whole agent 0", "whole agent 1", "whole agent 2"}, got.text)
			require.Equal(t, []int{0, 2, 0}, got.retries)
			require.Equal(t, []string{"", "", ""}, got.errs)
		})
	}
}

func TestOpenAIGivesUpWhatCannotPass(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", secret)
	s := start(t, fast(t))
	for code, text := range map[int]string{400: "context too long", 401: "who are you", 404: "no such model", 422: "bad field"} {
		f := fake(t, func(r chatRequest, _ int) answer {
			if r.last() == "agent 1" {
				return status(code, fmt.Sprintf(`{"error":{"message":%q,"type":"x","param":null,"code":null}}`, text))
			}
			return say("fine")
		})
		got := s.ask(t, request(t, f.model(), nil, 2))
		require.Equal(t, []string{"fine", ""}, got.text)
		require.Contains(t, got.errs[1], fmt.Sprintf("HTTP %d: %s", code, text))
		require.Zero(t, got.retries[1])
		require.Len(t, f.requests(), 2)
	}
}

func TestOpenAIGivesUpAfterMaxAttempts(t *testing.T) {
	f := fake(t, func(r chatRequest, _ int) answer {
		if r.last() == "agent 0" {
			return status(500, "this prompt breaks me")
		}
		return say("fine")
	})
	cfg := fast(t)
	cfg.MaxAttempts, cfg.BreakerFailures = 4, 1000
	s := start(t, cfg)
	got := s.ask(t, request(t, f.model(), nil, 2))
	require.Contains(t, got.errs[0], "given up after 4 attempts")
	require.Contains(t, got.errs[0], "this prompt breaks me")
	require.Equal(t, 3, got.retries[0])
	require.Len(t, f.requests(), 5)
}

// A completion that ended at max_tokens is delivered, because it is what the model said, and marked.
func TestOpenAIMarksTextThatEndedAtTheLimit(t *testing.T) {
	f := fake(t, func(r chatRequest, _ int) answer {
		switch r.last() {
		case "agent 1":
			return sayFor("", "length")
		case "agent 2":
			return sayFor("33", "stop")
		}
		return sayFor("I think that", "length")
	})
	s := start(t, fast(t))
	got := s.ask(t, request(t, f.model(), nil, 3))
	require.Equal(t, []string{"I think that", "", "33"}, got.text)
	require.Equal(t, []string{"", "", ""}, got.errs)
	require.Equal(t, []bool{true, true, false}, got.cut)
	require.Len(t, f.requests(), 3)
}

func TestOpenAIWaitsAsLongAsTheServerAsks(t *testing.T) {
	f := fake(t, func(_ chatRequest, n int) answer {
		if n == 1 {
			return status(429, "slow down", "Retry-After", "1")
		}
		return say("ok")
	})
	cfg := fast(t)
	s := start(t, cfg)
	began := time.Now()
	require.Equal(t, []int{1}, s.ask(t, request(t, f.model(), nil, 1)).retries)
	require.GreaterOrEqual(t, time.Since(began), time.Second)

	cfg.RetryAfterMax = 10 * time.Millisecond
	g := fake(t, func(_ chatRequest, n int) answer {
		if n == 1 {
			return status(503, "later", "Retry-After", "3600")
		}
		return say("ok")
	})
	require.Equal(t, []int{1}, start(t, cfg).ask(t, request(t, g.model(), nil, 1)).retries)
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "0.5": 500 * time.Millisecond, "-3": 0, "soon": 0, "NaN": 0, "1e300": 1<<31*time.Second - time.Second,
		"Fri, 02 Jan 2026 03:04:35 GMT": 30 * time.Second, "Fri, 02 Jan 2026 03:04:00 GMT": 0,
	} {
		require.Equal(t, want, retryAfter(header, now), header)
	}
}

// While a server is down its calls wait, without using up their attempts, and go on when it is back.
func TestOpenAICallsWaitForAServerThatIsDown(t *testing.T) {
	f := fake(t, func(r chatRequest, _ int) answer { return say("back " + r.last()) })
	address := f.Listener.Addr().String()
	m := f.model()
	f.Close()
	cfg := fast(t)
	cfg.MaxAttempts = 6
	s := start(t, cfg)
	payload, err := llm.EncodeRequest(request(t, m, nil, 3))
	require.NoError(t, err)
	sub := s.send(t, payload)
	// Far more tests of the server than a call has attempts.
	until(t, func() bool {
		s.svc.openai.mu.Lock()
		defer s.svc.openai.mu.Unlock()
		for _, p := range s.svc.openai.order {
			return !p.down.IsZero() && time.Since(p.down) > 15*cfg.BreakerWait
		}
		return false
	}, "the pool is down for long")
	back := &http.Server{Handler: f.Config.Handler}
	ln := listen(t, address)
	ended := make(chan error, 1)
	go func() { ended <- back.Serve(ln) }()
	got := map[uint32]string{}
	for {
		r := next(t, sub)
		for i, at := range r.Index {
			require.Nil(t, r.Error)
			got[at] = r.Text[i]
		}
		if r.Done {
			break
		}
	}
	require.Equal(t, map[uint32]string{0: "back agent 0", 1: "back agent 1", 2: "back agent 2"}, got)
	require.NoError(t, back.Close())
	require.ErrorIs(t, <-ended, http.ErrServerClosed)
}

func TestOpenAICallsDoNotWaitForEver(t *testing.T) {
	f := fake(t, nil)
	m := f.model()
	f.Close()
	cfg := fast(t)
	cfg.RetryFor = 300 * time.Millisecond
	m.Concurrency = 1
	s := start(t, cfg)
	got := s.ask(t, request(t, m, nil, 20))
	for _, e := range got.errs {
		require.Regexp(t, `given up after|no model server could be reached`, e)
		require.Contains(t, e, "connection refused")
	}
	until(t, func() bool {
		s.svc.openai.mu.Lock()
		defer s.svc.openai.mu.Unlock()
		return len(s.svc.openai.pools)+len(s.svc.openai.order)+len(s.svc.openai.endpoints) == 0
	}, "nothing is kept for a model without calls")
}

func TestOpenAIBoundsCallsInFlight(t *testing.T) {
	f := fake(t, func(r chatRequest, _ int) answer {
		return func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-time.After(2 * time.Millisecond):
			case <-r.Context().Done():
			}
			write(w, body("ok", "stop"))
		}
	})
	s := start(t, fast(t))
	m := f.model()
	m.Concurrency = 3
	s.ask(t, request(t, m, nil, 100))
	require.Equal(t, 3, f.most)
}

func TestOpenAISharesWorkBetweenEndpoints(t *testing.T) {
	slow := fake(t, func(chatRequest, int) answer {
		return func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-time.After(300 * time.Millisecond):
			case <-r.Context().Done():
			}
			write(w, body("slow", "stop"))
		}
	})
	quick := fake(t, func(chatRequest, int) answer { return say("quick") })
	dead := fake(t, nil)
	s := start(t, fast(t))
	m := quick.model()
	m.Endpoints = append(m.Endpoints, slow.model().Endpoints[0], dead.model().Endpoints[0])
	dead.Close()
	m.Concurrency = 4
	got := s.ask(t, request(t, m, nil, 200))
	for i, text := range got.text {
		require.Contains(t, []string{"slow", "quick"}, text, got.errs[i])
	}
	require.Equal(t, 200, len(slow.requests())+len(quick.requests()))
	require.GreaterOrEqual(t, len(slow.requests()), 4)
	require.Greater(t, len(quick.requests()), 150, "who is done sooner gets more")
}

// A run of one call does not wait for a run of many to end, nor a request for another of its run.
func TestOpenAIQueuesFairly(t *testing.T) {
	gate := make(chan struct{})
	f := fake(t, func(r chatRequest, _ int) answer {
		return func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-gate:
			case <-r.Context().Done():
			}
			write(w, body("ok", "stop"))
		}
	})
	s := start(t, fast(t))
	m := f.model()
	m.Concurrency = 1
	send := func(run, text string, n int) {
		req := request(t, m, nil, n)
		req.Run = run
		for i := range req.Calls {
			req.Calls[i].Messages[0].Content = fmt.Sprint(text, i)
		}
		payload, err := llm.EncodeRequest(req)
		require.NoError(t, err)
		before := accepted(s.svc)
		s.send(t, payload)
		until(t, func() bool { return accepted(s.svc) == before+int64(n) }, "accepted")
		until(t, func() bool { return queued(s.svc) >= int(before)+n-1 }, "queued")
	}
	send("big", "big", 300)
	send("big", "more", 300)
	send("small", "small", 1)
	close(gate)
	until(t, func() bool { return len(f.requests()) == 601 }, "all asked")
	place := map[string]int{}
	for i, r := range f.requests() {
		place[r.last()] = i
	}
	require.LessOrEqual(t, place["small0"], 2)
	require.LessOrEqual(t, place["more0"], 4)
	require.Less(t, place["more10"], place["big20"])
	require.Less(t, place["big10"], place["more20"])
	until(t, func() bool { return accepted(s.svc) == 0 }, "done")
}

func queued(s *Service) int {
	s.openai.mu.Lock()
	defer s.openai.mu.Unlock()
	n := 0
	for _, p := range s.openai.pools {
		n += p.queue.waiting
	}
	return n
}

func TestOpenAIStopsInTheMiddleOfCalls(t *testing.T) {
	f := fake(t, func(chatRequest, int) answer { return hang })
	s := start(t, fast(t))
	payload, err := llm.EncodeRequest(request(t, f.model(), nil, 200))
	require.NoError(t, err)
	sub := s.send(t, payload)
	until(t, func() bool { return len(f.requests()) == 64 }, "64 in flight")
	began := time.Now()
	require.NoError(t, s.svc.Stop(t.Context()))
	require.Less(t, time.Since(began), 2*time.Second)
	for {
		if r := next(t, sub); r.Done {
			require.Equal(t, llm.RefusedBusy, r.Refused)
			break
		}
	}
	require.Zero(t, accepted(s.svc))
}

func TestOpenAIRefusesEndpointsItCannotUse(t *testing.T) {
	cfg := fast(t)
	cfg.AllowHosts = []string{"127.0.0.1", "models.example:8000"}
	s := start(t, cfg)
	for endpoint, why := range map[string]string{
		"ftp://127.0.0.1/v1": "not an http", "http://": "not an http", "http://me:hidden@127.0.0.1/v1": "must not carry credentials",
		"http://127.0.0.1/v1?key=hidden": "no query", "http://169.254.169.254/v1": "ALLOW_HOSTS", "http://models.example:9/v1": "ALLOW_HOSTS",
	} {
		got := s.ask(t, request(t, scenario.Model{Name: "player", Provider: "openai", Model: "x", Endpoints: []string{endpoint}}, nil, 1))
		require.Contains(t, got.refused, why)
		require.NotContains(t, got.refused, "hidden")
	}
	got := s.ask(t, request(t, scenario.Model{Name: "player", Provider: "openai"}, nil, 1))
	require.Contains(t, got.refused, "needs endpoints")
}

func TestOpenAIRefusesACompletionThatFitsNoMessage(t *testing.T) {
	f := fake(t, func(r chatRequest, _ int) answer {
		if r.last() == "agent 0" {
			return say(strings.Repeat("x", llm.MaxBytes))
		}
		return say(strings.Repeat("y", 300<<10))
	})
	s := start(t, fast(t))
	got := s.ask(t, request(t, f.model(), nil, 3))
	require.Contains(t, got.errs[0], "a message carries")
	require.Len(t, got.text[1], 300<<10)
	require.Len(t, got.text[2], 300<<10)
}
