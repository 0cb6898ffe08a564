package llmproxy

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/fakevllm"
	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/usage"
)

func TestForwardRefusesByName(t *testing.T) {
	cfg := fast(t)
	cfg.AllowHosts = []string{"127.0.0.1"}
	p := passOn(t, cfg, usage.Prices{})
	good := []string{"http://127.0.0.1:1/v1"}
	for why, payload := range map[string]string{
		"invalid character": `hello`, "EOF": ``, "more than one JSON object": string(payloadOf(t, "embeddings", "{}", good)) + "{}",
		`unknown field "temperature"`: string(payloadOf(t, "embeddings", "{}", good, "temperature:1")),
		`not of "levelk"`:             `{"model":{"provider":"levelk"},"path":"embeddings","body":{}}`,
		"the model needs endpoints":   string(payloadOf(t, "embeddings", "{}", nil)),
		"it needs a path":             string(payloadOf(t, "", "{}", good)),
		"the body is not a JSON":      string(payloadOf(t, "embeddings", "[]", good)),
		"not a plain relative one":    string(payloadOf(t, "../metrics", "{}", good)),
		`timeout "soon" is not`:       string(payloadOf(t, "embeddings", "{}", good, "timeout:soon")),
		`timeout "-1s" is not`:        string(payloadOf(t, "embeddings", "{}", good, "timeout:-1s")),
		"host evil.example is not":    string(payloadOf(t, "embeddings", "{}", []string{"http://evil.example/v1"})),
		"must not carry credentials":  string(payloadOf(t, "embeddings", "{}", []string{"http://a:b@127.0.0.1/v1"})),
		"the key in HOME is not":      string(payloadOf(t, "embeddings", "{}", good, "api_key_env:HOME")),
	} {
		m, err := p.nc.Request("myriad.llm.player.forward", []byte(payload), 20*time.Second)
		require.NoError(t, err)
		require.Contains(t, failed(t, m), why)
	}
}

// A server may repeat the key in what it says, and the error goes to whoever asked.
func TestForwardedErrorsHaveNoKey(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", "sk-very-secret")
	url, asked := images(t, func(_ int32, w http.ResponseWriter, r *http.Request) {
		require.Equal(t, "Bearer sk-very-secret", r.Header.Get("Authorization"))
		w.WriteHeader(http.StatusUnauthorized)
		write(w, `{"error":{"message":"Incorrect API key provided: sk-very-secret"}}`)
	})
	m := passOn(t, fast(t), usage.Prices{}).post(t, "embeddings", `{}`, []string{url})
	require.Contains(t, failed(t, m), "Incorrect API key provided: [key]")
	require.NotContains(t, string(m.Data)+m.Header.Get("Myriad-Error"), "secret")
	require.Equal(t, int32(1), asked.Load())
}

// account is what a run has used, when the book has written it down.
func (p *passing) account(t *testing.T, run string, ready func(usage.Use) bool) usage.Account {
	t.Helper()
	var a usage.Account
	require.Eventually(t, func() bool {
		var err error
		a, err = usage.Read(t.Context(), p.forwarder.book.kv, run)
		return err == nil && ready(a.Models["player"])
	}, 20*time.Second, 20*time.Millisecond)
	return a
}

func priceList(t *testing.T, text string) usage.Prices {
	t.Helper()
	path := filepath.Join(t.TempDir(), "prices.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	prices, err := usage.LoadPrices(path)
	require.NoError(t, err)
	return prices
}

func TestWhatIsForwardedIsBooked(t *testing.T) {
	s, url := vllm(t, fakevllm.Options{Model: "tiny"})
	p := passOn(t, fast(t), priceList(t, "currency: USD\nmodels: {tiny: {input: 2, output: 8}, painter: {input: 1, output: 1000000}}"))
	for range 3 {
		p.post(t, "embeddings", `{"input":["some words","and more"]}`, []string{url}, "model:tiny", "run:r1")
	}
	counted := s.Stats().PromptTokens
	p.post(t, "embeddings", `{"input":["nobody pays"]}`, []string{url}, "model:tiny")
	u := p.account(t, "r1", func(u usage.Use) bool { return u.Calls == 3 }).Models["player"]
	require.Equal(t, counted, u.TokensIn)
	require.Equal(t, 2*u.TokensIn, u.Micros)
	require.Zero(t, u.TokensOut+u.Unreported+u.Retries)

	painter, _ := images(t, func(n int32, w http.ResponseWriter, _ *http.Request) {
		if n == 1 {
			http.Error(w, "busy", http.StatusTooManyRequests)
			return
		}
		write(w, `{"data":[],"usage":{"input_tokens":10,"output_tokens":300,"total_tokens":310}}`)
	})
	p.post(t, "images/generations", `{"prompt":"a cat"}`, []string{painter}, "model:painter", "run:r2")
	u = p.account(t, "r2", func(u usage.Use) bool { return u.Calls == 1 }).Models["player"]
	require.Equal(t, usage.Use{Calls: 1, Retries: 1, TokensIn: 10, TokensOut: 300, Micros: 300_000_010}, u)

	lost, _ := images(t, func(n int32, w http.ResponseWriter, r *http.Request) { breakOff(n, 1, w, r) })
	const text = `{"input":"a cat"}`
	p.post(t, "embeddings", text, []string{lost}, "run:r3")
	u = p.account(t, "r3", func(u usage.Use) bool { return u.Calls == 1 }).Models["player"]
	require.Equal(t, 2*usage.Upper(len(text), 1, 0), u.Unreported, "one was cut off, one did not count")
	require.Equal(t, uint64(1), u.Retries)
}

func TestForwardKeepsWithinABudget(t *testing.T) {
	s, url := vllm(t, fakevllm.Options{Model: "tiny"})
	p := passOn(t, fast(t), usage.Prices{})
	const body = `{"model":"tiny","input":["a cat"]}`
	need := usage.Upper(len(body), 1, 0)
	// The budget of the run is known from a call that was made under it.
	var hold *usage.Hold
	require.Eventually(t, func() bool {
		var err error
		hold, err = p.book.Reserve("r1", "player", llm.Budget{Seq: 5, Run: llm.Cap{Tokens: 1000}}, usage.Amount{Tokens: 1000 - need}, func() {})
		return err == nil
	}, 20*time.Second, time.Millisecond)
	m := p.post(t, "embeddings", body, []string{url}, "run:r1")
	require.Empty(t, m.Header.Get("Myriad-Error"), "%s", m.Data)
	require.Contains(t, failed(t, p.post(t, "images/generations", `{"prompt":"a cat"}`, []string{url}, "run:r1")),
		"under a budget only embeddings of texts are passed through")
	require.Contains(t, failed(t, p.post(t, "embeddings", `{"input":[{"image":"x"}]}`, []string{url}, "run:r1")), "cannot be bounded")
	require.Contains(t, failed(t, p.post(t, "embeddings", `{"input":"a","messages":[]}`, []string{url}, "run:r1")), "cannot be bounded")
	require.Equal(t, uint64(1), s.Stats().Requests)
	hold.Settle(usage.Use{Calls: 1, TokensIn: 1000 - need})
	u := p.account(t, "r1", func(u usage.Use) bool { return u.Calls == 2 }).Models["player"]
	require.Equal(t, 1000-need+s.Stats().PromptTokens, u.TokensIn, "what was not used is given back")
	require.Contains(t, failed(t, p.post(t, "embeddings", body, []string{url}, "run:r1")), "budget: run r1 may spend 1000 tokens")
	require.Equal(t, uint64(1), s.Stats().Requests)
}

// FuzzForward reads arbitrary requests: they are refused, or can be sent as they say.
func FuzzForward(f *testing.F) {
	for _, seed := range []string{
		`{"model":{"provider":"openai","endpoints":["http://h/v1"],"model":"m"},"path":"embeddings","body":{"input":"a"},"run":"r1"}`,
		`{"model":{"provider":"openai","endpoints":["http://h/v1"]},"path":"x","body":{ }}`, `{"body":[]}`, `null`, ``,
	} {
		f.Add([]byte(seed))
	}
	cfg := fast(f)
	fw := newForwarder(nil, nil, cfg, keyring{}, usage.Prices{}, nil)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := fw.read("myriad.llm.m.forward", data)
		if err != nil {
			return
		}
		require.NotEmpty(t, c.places)
		require.Positive(t, c.timeout)
		var body map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(c.body, &body))
		if most, err := c.upper(); err == nil {
			require.GreaterOrEqual(t, most, uint64(len(c.body)))
		}
	})
}
