package llmproxy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
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

// While a server is down its calls wait, however long that takes, and the coordinators hear of it. When it is back all goes
// on, and nothing counts as an attempt.
func TestOpenAICallsWaitForAServerThatIsDown(t *testing.T) {
	f := fake(t, func(r chatRequest, _ int) answer { return say("back " + r.last()) })
	address := f.Listener.Addr().String()
	m := f.model()
	f.Close()
	cfg := fast(t)
	cfg.MaxAttempts, cfg.RetryFor, cfg.DownAfter = 1, 200*time.Millisecond, 50*time.Millisecond
	s := start(t, cfg)
	told, err := s.nc.SubscribeSync(subjects.Service(subjects.ServiceCoordinator, control.Models))
	require.NoError(t, err)
	payload, err := llm.EncodeRequest(request(t, m, nil, 3))
	require.NoError(t, err)
	sub := s.send(t, payload)
	outage := func() control.Outage {
		msg, err := told.NextMsg(20 * time.Second)
		require.NoError(t, err)
		require.NotEmpty(t, msg.Reply, "a coordinator answers every request")
		var o control.Outage
		require.NoError(t, json.Unmarshal(msg.Data, &o))
		require.Equal(t, []string{"r1", "player"}, []string{o.Run, o.Model})
		require.NotEmpty(t, o.From)
		return o
	}
	for range 2 { // it is said again while it lasts, which is longer than a call would be tried
		o := outage()
		require.True(t, o.Down)
		require.Contains(t, o.Reason, "connection refused")
		require.Contains(t, o.Reason, address)
	}
	back := &http.Server{Handler: f.Config.Handler}
	ln := listen(t, address)
	ended := make(chan error, 1)
	go func() { ended <- back.Serve(ln) }()
	got := map[uint32]string{}
	for {
		r := next(t, sub)
		for i, at := range r.Index {
			require.Nil(t, r.Error)
			require.Zero(t, r.Retries[i])
			got[at] = r.Text[i]
		}
		if r.Done {
			break
		}
	}
	require.Equal(t, map[uint32]string{0: "back agent 0", 1: "back agent 1", 2: "back agent 2"}, got)
	require.False(t, outage().Down)
	require.NoError(t, back.Close())
	require.ErrorIs(t, <-ended, http.ErrServerClosed)
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
