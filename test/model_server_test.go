package test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// ask is a request to the model server, as far as it can tell from the prompt, which must hold "Agent N, round R".
type ask struct {
	agent, round int
	extraction   bool // copies the answer out of an earlier reply
	before       int  // earlier requests for the same agent and round that were not extractions
}

// reply is what the model server does with a request.
type reply struct {
	text   string
	status int           // not 0: an HTTP error
	after  time.Duration // with status: Retry-After, in whole seconds
	empty  bool          // a response without choices
	cut    bool          // the text ended at a limit of length
	hang   bool          // no response at all
}

// modelServer is an OpenAI-compatible server that behaves as decide tells it.
type modelServer struct {
	url    string
	decide func(ask) reply

	mu     sync.Mutex
	asked  map[[2]int][]time.Time // by agent and round: requests that were not extractions
	faults []string               // requests no client should send
}

var whoAsks = regexp.MustCompile(`Agent (\d+), round (\d+)`)

// modelName is the only model the server has.
const modelName = "test/model-1"

// startModelServer starts a server on a free port.
func startModelServer(t testing.TB, decide func(ask) reply) *modelServer {
	t.Helper()
	return startModelServerAt(t, "127.0.0.1:0", decide)
}

func startModelServerAt(t testing.TB, addr string, decide func(ask) reply) *modelServer {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", addr)
	require.NoError(t, err)
	s := &modelServer{url: "http://" + l.Addr().String() + "/v1", decide: decide, asked: map[[2]int][]time.Time{}}
	server := httptest.NewUnstartedServer(s)
	require.NoError(t, server.Listener.Close())
	server.Listener = l
	server.Start()
	t.Cleanup(server.Close)
	return s
}

// ServeHTTP answers POST /v1/chat/completions. The server has no batch endpoint, metrics or health, as many have none.
func (s *modelServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/v1/chat/completions/batch" || r.Method == http.MethodGet {
		http.NotFound(w, r)
		return
	}
	var body struct {
		Model    string `json:"model"`
		Messages []struct {
			Role    string `json:"role"`
			Content string `json:"content"`
		} `json:"messages"`
	}
	err := json.NewDecoder(r.Body).Decode(&body)
	text := ""
	for _, m := range body.Messages {
		text += m.Content + "\n"
	}
	who := whoAsks.FindStringSubmatch(text)
	if err != nil || r.Method != http.MethodPost || r.URL.Path != "/v1/chat/completions" || body.Model != modelName || who == nil {
		s.complain(fmt.Sprintf("%s %s, model %q, error %v: %s", r.Method, r.URL.Path, body.Model, err, text))
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	a := ask{extraction: strings.Contains(text, "<reply>")}
	a.agent, _ = strconv.Atoi(who[1]) // digits
	a.round, _ = strconv.Atoi(who[2])
	if !a.extraction {
		a.before = s.count(a)
	}
	s.send(w, r, s.decide(a))
}

func (s *modelServer) send(w http.ResponseWriter, r *http.Request, a reply) {
	switch {
	case a.hang:
		<-r.Context().Done()
		return
	case a.status != 0:
		if a.after > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(a.after.Seconds())))
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(a.status)
		_, _ = w.Write([]byte(`{"error": {"message": "not now", "type": "server_error"}}`)) // a client that left needs no answer
		return
	}
	choices, finish := []any{}, "stop"
	if a.cut {
		finish = "length"
	}
	if !a.empty {
		choices = append(choices, map[string]any{
			"index": 0, "finish_reason": finish, "message": map[string]any{"role": "assistant", "content": a.text},
		})
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{ // as above
		"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": modelName, "choices": choices,
		"usage": map[string]any{"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14},
	})
}

// count notes a request and returns how many there were before.
func (s *modelServer) count(a ask) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := [2]int{a.agent, a.round}
	s.asked[key] = append(s.asked[key], time.Now())
	return len(s.asked[key]) - 1
}

// times are when an agent was asked in a round.
func (s *modelServer) times(agent, round int) []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[[2]int{agent, round}]
}

func (s *modelServer) complain(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, what)
}

// complaints are the requests that no client should have sent.
func (s *modelServer) complaints() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faults
}
