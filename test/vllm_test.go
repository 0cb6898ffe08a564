package test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/fakevllm"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/usage"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// startVLLM starts a look-alike of a vLLM server and returns it with its base URL.
func startVLLM(t testing.TB, o fakevllm.Options) (*fakevllm.Server, string) {
	t.Helper()
	o.Model = modelName
	s, err := fakevllm.New(o)
	require.NoError(t, err)
	url, err := s.Start()
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s, url
}

// tap is a server that passes requests on, and remembers those for answers.
type tap struct {
	url  string
	next http.Handler
	// first, if not nil, may answer in place of next; n counts the requests for answers, from 1.
	first func(n int, w http.ResponseWriter, r *http.Request) bool

	mu    sync.Mutex
	paths []string
	seen  [][]byte // their bodies
}

func startTap(t testing.TB, s *fakevllm.Server, first func(n int, w http.ResponseWriter, r *http.Request) bool) *tap {
	t.Helper()
	p := &tap{next: s.Handler(), first: first}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	p.url = server.URL + "/v1"
	return p
}

// ServeHTTP passes a request on.
func (p *tap) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // who asked is gone
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		p.mu.Lock()
		p.paths, p.seen = append(p.paths, r.URL.Path), append(p.seen, body)
		n := len(p.seen)
		p.mu.Unlock()
		if p.first != nil && p.first(n, w, r) {
			return
		}
	}
	p.next.ServeHTTP(w, r)
}

// bodies are the requests for answers so far.
func (p *tap) bodies() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, b := range p.seen {
		out = append(out, string(b))
	}
	return out
}

// batches is how many of them were on the batch path.
func (p *tap) batches() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, path := range p.paths {
		if strings.HasSuffix(path, "/batch") {
			n++
		}
	}
	return n
}

// kinds are the two kinds of endpoints.
var kinds = map[string]bool{"batch endpoint": false, "single calls": true}

// guessScenario is a game of guessing numbers, with verbs for its name, its rounds, its agents, further keys of the model,
// the list of endpoints and more keys of the scenario. Agents have prompts of their own, and follow the last round.
const guessScenario = `
version: 1
name: %s
seed: 3
rounds: %d
population: {size: %d}
models:
  player: {provider: openai, model: ` + modelName + `, temperature: 1, max_tokens: 32, %s endpoints: [%s]}
agents: {players: {model: player, system: "You are one of {{.size}} people who guess."}}
turn:
  - id: guess
    ask: "{{if gt .round 1}}The mean was {{.world.mean}}. {{end}}You are person {{.self.number}}. Report a real number from 0 to 100."
    answer: {type: number, min: 0, max: 100}
update: {world: {mean: mean(answers.guess)}}
%s
`

func guessingOn(name string, rounds, agents int, model, more string, urls ...string) string {
	quoted := make([]string, len(urls))
	for i, u := range urls {
		quoted[i] = fmt.Sprintf("%q", u)
	}
	return fmt.Sprintf(guessScenario, name, rounds, agents, model, strings.Join(quoted, ", "), more)
}

// account is what the usage bucket says of a run, once the llmproxies have booked all.
func account(t testing.TB, js jetstream.JetStream, run string) usage.Account {
	t.Helper()
	kv, err := js.KeyValue(t.Context(), subjects.BucketUsage)
	require.NoError(t, err)
	a, err := usage.Read(t.Context(), kv, run)
	require.NoError(t, err)
	return a
}

// answersOnce reads the log of a finished run record by record: every agent has one answer in every round, and the log
// holds none twice. It returns the result hash.
func answersOnce(t testing.TB, js jetstream.JetStream, run string) string {
	t.Helper()
	fold := runlog.NewFold(run, runlog.WithAnswers())
	type key struct{ round, question, agent int }
	times := map[key]int{}
	require.NoError(t, runlog.Read(t.Context(), js, 0, runlog.RunSubjects(run), func(e runlog.Entry) error {
		h, err := fold.Apply(e)
		if err != nil || h.Kind != runlog.KindAnswer {
			return err
		}
		_, body, err := runlog.Decode(e.Data)
		require.NoError(t, err)
		a, err := runlog.DecodeAnswers(body)
		require.NoError(t, err)
		for _, agent := range a.Agents {
			times[key{h.Round, a.Question, agent}]++
		}
		return nil
	}))
	require.Equal(t, "finished", fold.Status(), fold.Reason)
	require.Len(t, times, fold.Round*fold.Created.Agents*len(fold.Scenario.Turn), "answers in the log")
	for k, n := range times {
		require.Equal(t, 1, n, "answers of agent %d in round %d", k.agent, k.round)
	}
	require.Equal(t, fold.Expected, fold.Accepted)
	require.Zero(t, fold.Duplicates)
	require.NotEmpty(t, fold.Hash)
	return hex.EncodeToString(fold.Hash)
}

// whole is the sum of what servers did.
func whole(servers ...*fakevllm.Server) fakevllm.Stats {
	var sum fakevllm.Stats
	for _, s := range servers {
		st := s.Stats()
		sum.Asked += st.Asked
		sum.Completions += st.Completions
		sum.InFlight += st.InFlight
		sum.Aborted += st.Aborted
		sum.PromptTokens += st.PromptTokens
		sum.OutputTokens += st.OutputTokens
	}
	return sum
}

// stillFor is how long nothing must have come to servers and nothing left them for all requests to be where they belong.
// The servers must take longer for an answer.
const stillFor = 150 * time.Millisecond

// still waits until servers work on at least so many conversations together, and none is coming or going.
func still(t testing.TB, least int, servers ...*fakevllm.Server) fakevllm.Stats {
	t.Helper()
	var last fakevllm.Stats
	var since time.Time
	require.Eventually(t, func() bool {
		now := whole(servers...)
		if now.Asked != last.Asked || now.Completions != last.Completions || now.InFlight != last.InFlight {
			last, since = now, time.Now()
			return false
		}
		return now.InFlight >= least && time.Since(since) >= stillFor
	}, patience, often/4)
	return last
}
