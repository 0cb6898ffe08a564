package llmproxy

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/pkg/scenario"
)

// chatRequest is what a model server gets.
type chatRequest struct {
	header      http.Header
	raw         string
	Model       string        `json:"model"`
	Messages    []chatMessage `json:"messages"`
	Temperature *float64      `json:"temperature"`
	TopP        *float64      `json:"top_p"`
	MaxTokens   int           `json:"max_tokens"`
}

type chatMessage struct{ Role, Content string }

// last is the content of the last message, by which tests know calls apart.
func (r chatRequest) last() string { return r.Messages[len(r.Messages)-1].Content }

// answer is what a fake model server does with one request.
type answer func(w http.ResponseWriter, r *http.Request)

// fakeServer is a model server that a test writes the behaviour of. n counts the attempts of a call from 1.
type fakeServer struct {
	*httptest.Server
	mu     sync.Mutex
	got    []chatRequest
	counts map[string]int
	now    int // requests being served
	most   int
}

func fake(t testing.TB, behave func(r chatRequest, n int) answer) *fakeServer {
	t.Helper()
	f := &fakeServer{counts: map[string]int{}}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			return // the proxy gave up the attempt
		}
		req := chatRequest{header: r.Header, raw: string(raw)}
		if r.URL.Path != "/v1/chat/completions" || json.Unmarshal(raw, &req) != nil {
			http.Error(w, "not a chat completion", http.StatusNotFound)
			return
		}
		f.mu.Lock()
		f.got = append(f.got, req)
		f.counts[req.last()]++
		n := f.counts[req.last()]
		f.now++
		f.most = max(f.most, f.now)
		f.mu.Unlock()
		behave(req, n)(w, r)
		f.mu.Lock()
		f.now--
		f.mu.Unlock()
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *fakeServer) requests() []chatRequest {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]chatRequest(nil), f.got...)
}

// model points at the server.
func (f *fakeServer) model() scenario.Model {
	return scenario.Model{Name: "player", Provider: "openai", Model: "tiny", Endpoints: []string{f.URL + "/v1"}}
}

func body(text, finish string) string {
	content, err := json.Marshal(text)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf(`{"id":"x","object":"chat.completion","created":1,"model":"tiny-served","choices":[{"index":0,"finish_reason":%q,`+
		`"message":{"role":"assistant","content":%s}}],"usage":{"prompt_tokens":11,"completion_tokens":3,"total_tokens":14}}`, finish, content)
}

func say(text string) answer { return sayFor(text, "stop") }

func sayFor(text, finish string) answer {
	return func(w http.ResponseWriter, _ *http.Request) { write(w, body(text, finish)) }
}

func write(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, text)
}

func status(code int, text string, header ...string) answer {
	return func(w http.ResponseWriter, _ *http.Request) {
		if len(header) == 2 {
			w.Header().Set(header[0], header[1])
		}
		http.Error(w, text, code)
	}
}

func raw(text string) answer { return func(w http.ResponseWriter, _ *http.Request) { write(w, text) } }

// hang answers nothing until the caller gives up.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// cut sends a part of a good response and drops the connection.
func cut(text string) answer {
	return func(w http.ResponseWriter, _ *http.Request) {
		whole := body(text, "stop")
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", fmt.Sprint(len(whole)))
		_, _ = io.WriteString(w, whole[:len(whole)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// until polls for a condition without sleeping.
func until(t testing.TB, ok func() bool, what string) {
	t.Helper()
	require.Eventually(t, ok, 20*time.Second, time.Millisecond, what)
}
