package llmproxy

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/fakevllm"
	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/modelserver"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/usage"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// passing is a running forwarder and a requester that knows NATS and JSON only.
type passing struct {
	*forwarder
	nc   *nats.Conn
	book *usage.Book
}

func passOn(t *testing.T, cfg Config, prices usage.Prices) *passing {
	t.Helper()
	srv := natstest.Start(t)
	keys, err := newKeyring(cfg.KeyHosts)
	require.NoError(t, err)
	kv, err := srv.JetStream(t).KeyValue(t.Context(), subjects.BucketUsage)
	require.NoError(t, err)
	book := usage.NewBook(kv, "w1", natstest.Logger(t))
	require.NoError(t, book.Start(t.Context()))
	client := modelserver.NewHTTPClient()
	f := newForwarder(srv.InProcess(t), natstest.Logger(t), cfg, keys, prices, client)
	require.NoError(t, f.start(t.Context(), book))
	require.NoError(t, f.nc.Flush())
	t.Cleanup(func() {
		require.NoError(t, f.stop(context.Background()))
		client.CloseIdleConnections()
		require.NoError(t, book.Stop(context.Background()))
	})
	return &passing{f, srv.InProcess(t), book}
}

// post sends a request about a model of some endpoints.
func (p *passing) post(t *testing.T, path, body string, endpoints []string, more ...string) *nats.Msg {
	t.Helper()
	m, err := p.nc.Request("myriad.llm.player.forward", payloadOf(t, path, body, endpoints, more...), 20*time.Second)
	require.NoError(t, err)
	return m
}

// payloadOf is a request; more are fields of the model, and run:ID.
func payloadOf(t *testing.T, path, body string, endpoints []string, more ...string) []byte {
	t.Helper()
	list, err := json.Marshal(endpoints)
	require.NoError(t, err)
	model, run := "", ""
	for _, field := range more {
		name, value, _ := strings.Cut(field, ":")
		if name == "run" {
			run = fmt.Sprintf(`,"run":%q`, value)
			continue
		}
		model += fmt.Sprintf(",%q:%q", name, value)
	}
	return fmt.Appendf(nil, `{"model":{"provider":"openai","endpoints":%s%s},"path":%q,"body":%s%s}`, list, model, path, body, run)
}

// failed is the error of a reply, which is in its header and in its content.
func failed(t *testing.T, m *nats.Msg) string {
	t.Helper()
	var in struct{ Error string }
	require.NoError(t, json.Unmarshal(m.Data, &in))
	require.NotEmpty(t, in.Error)
	require.Equal(t, in.Error, m.Header.Get("Myriad-Error"))
	require.Equal(t, "application/json", m.Header.Get("Content-Type"))
	return in.Error
}

// images is a server that makes images, or does with the n-th request what it is told.
func images(t *testing.T, behave func(n int32, w http.ResponseWriter, r *http.Request)) (url string, asked *atomic.Int32) {
	t.Helper()
	asked = new(atomic.Int32)
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		assert.True(t, json.Valid(body))
		behave(asked.Add(1), w, r)
	}))
	t.Cleanup(h.Close)
	return h.URL + "/v1", asked
}

func lacking(_ int32, w http.ResponseWriter, _ *http.Request) { http.Error(w, "no such thing", 404) }

func making(_ int32, w http.ResponseWriter, _ *http.Request) {
	write(w, `{"data":[{"b64_json":"aQ=="}]}`)
}

func vllm(t *testing.T, o fakevllm.Options) (*fakevllm.Server, string) {
	t.Helper()
	s, err := fakevllm.New(o)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	url, err := s.Start()
	require.NoError(t, err)
	return s, url
}

func TestEmbeddingsArePassedThrough(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", "sk-very-secret")
	_, url := vllm(t, fakevllm.Options{Model: "tiny", Key: "sk-very-secret"})
	p := passOn(t, fast(t), usage.Prices{})
	m := p.post(t, "embeddings", `{"input":["a cat","a dog"]}`, []string{url}, "model:tiny")
	require.Empty(t, m.Header.Get("Myriad-Error"), "%s", m.Data)
	require.Equal(t, "application/json", m.Header.Get("Content-Type"))
	require.Contains(t, url, m.Header.Get("Myriad-Served-By"))
	require.NotEmpty(t, m.Header.Get("Myriad-Served-By"))
	var got struct {
		Model string
		Data  []struct{ Embedding []float64 }
	}
	require.NoError(t, json.Unmarshal(m.Data, &got))
	require.Equal(t, "tiny", got.Model)
	require.Len(t, got.Data, 2)
	require.Len(t, got.Data[1].Embedding, 64)
	require.Contains(t, failed(t, p.post(t, "embeddings", `{"model":"other","input":"a"}`, []string{url}, "model:tiny")), "other",
		"the name in the body is the one that goes")
}

func TestBytesOfAnyKindArePassedThrough(t *testing.T) {
	url, _ := images(t, func(_ int32, w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "/v1/audio/speech", r.URL.Path)
		w.Header().Set("Content-Type", "audio/mpeg")
		_, _ = w.Write([]byte{0xff, 0xfb, 0, 1})
	})
	m := passOn(t, fast(t), usage.Prices{}).post(t, "audio/speech", `{}`, []string{url}, "model:tts")
	require.Equal(t, []byte{0xff, 0xfb, 0, 1}, m.Data)
	require.Equal(t, "audio/mpeg", m.Header.Get("Content-Type"))
}

// An endpoint that does not offer a path is not asked for it again, and is for others.
func TestEndpointsThatOfferItAreFound(t *testing.T) {
	without, asked := images(t, lacking)
	with, made := images(t, making)
	p := passOn(t, fast(t), usage.Prices{})
	for range 3 {
		m := p.post(t, "images/generations", `{"prompt":"a cat"}`, []string{without, with})
		require.Empty(t, m.Header.Get("Myriad-Error"), "%s", m.Data)
		require.Contains(t, with, m.Header.Get("Myriad-Served-By"))
	}
	require.Equal(t, []int32{1, 3}, []int32{asked.Load(), made.Load()})
	p.post(t, "images/edits", `{"prompt":"a cat"}`, []string{without, with})
	p.post(t, "images/generations", `{"prompt":"a cat","model":"other"}`, []string{without, with})
	require.Equal(t, int32(3), asked.Load(), "it may have another path, or model")
	why := failed(t, p.post(t, "images/generations", `{"prompt":"a cat"}`, []string{without}))
	require.Contains(t, why, `no endpoint of model "player" offers "images/generations"`)
	require.Contains(t, why, "no such thing")
	require.Equal(t, int32(3), asked.Load())
	p.mu.Lock()
	for _, s := range p.seats {
		for k, miss := range s.lacking {
			require.WithinDuration(t, time.Now().Add(time.Minute), miss.until, 30*time.Second)
			s.lacking[k] = forwardMiss{until: time.Now(), why: miss.why}
		}
	}
	p.mu.Unlock()
	p.post(t, "images/generations", `{"prompt":"a cat"}`, []string{without})
	require.Equal(t, int32(4), asked.Load(), "a minute later it may be another server")
}

// What makes something is made once; what only reads is tried again.
func TestWhatIsTriedAgain(t *testing.T) {
	times := func(n int32, status int, header ...string) func(int32, http.ResponseWriter, *http.Request) {
		return func(at int32, w http.ResponseWriter, r *http.Request) {
			if at > n {
				making(at, w, r)
				return
			}
			if len(header) == 2 {
				w.Header().Set(header[0], header[1])
			}
			http.Error(w, "not now", status)
		}
	}
	cfg := fast(t)
	cfg.MaxAttempts = 4
	p := passOn(t, cfg, usage.Prices{})
	for name, c := range map[string]struct {
		path   string
		behave func(int32, http.ResponseWriter, *http.Request)
		asked  int32
		why    string
	}{
		"reads, 500 twice":        {"embeddings", times(2, 500), 3, ""},
		"reads, cut off":          {"rerank", func(n int32, w http.ResponseWriter, r *http.Request) { breakOff(n, 1, w, r) }, 2, ""},
		"reads, 500 for ever":     {"embeddings", times(99, 500), 4, "given up after 4 attempts: "},
		"makes, 500":              {"images/generations", times(2, 500), 1, "HTTP 500: not now"},
		"makes, cut off":          {"images/generations", func(n int32, w http.ResponseWriter, r *http.Request) { breakOff(n, 1, w, r) }, 1, "connection"},
		"makes, 429":              {"images/generations", times(2, 429, "Retry-After-Ms", "5"), 3, ""},
		"makes, 503 without when": {"images/generations", times(2, 503), 3, ""},
		"reads, 400":              {"embeddings", times(2, 400), 1, "HTTP 400: not now"},
		"reads, 403":              {"embeddings", times(2, 403), 1, "HTTP 403"},
	} {
		url, asked := images(t, c.behave)
		m := p.post(t, c.path, `{"prompt":"a cat"}`, []string{url})
		if c.why == "" {
			require.Empty(t, m.Header.Get("Myriad-Error"), name)
		} else {
			require.Contains(t, failed(t, m), c.why, name)
		}
		require.Equal(t, c.asked, asked.Load(), name)
	}
}

// breakOff answers the first requests with half of what it should.
func breakOff(at, n int32, w http.ResponseWriter, r *http.Request) {
	if at > n {
		making(at, w, r)
		return
	}
	w.Header().Set("Content-Length", "100")
	_, _ = io.WriteString(w, `{"data"`)
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

func TestOthersAreAskedWhenOneIsDown(t *testing.T) {
	url, asked := images(t, making)
	p := passOn(t, fast(t), usage.Prices{})
	m := p.post(t, "images/generations", `{"prompt":"a cat"}`, []string{"http://127.0.0.1:1/v1", url})
	require.Contains(t, url, m.Header.Get("Myriad-Served-By"))
	require.Equal(t, int32(1), asked.Load())
	sick, _ := images(t, func(_ int32, w http.ResponseWriter, _ *http.Request) { http.Error(w, "sick", 500) })
	m = p.post(t, "embeddings", `{"input":"a"}`, []string{sick, url})
	require.Contains(t, url, m.Header.Get("Myriad-Served-By"))
}

// The least busy endpoint comes first.
func TestRequestsAreSpread(t *testing.T) {
	gate, arrived := make(chan struct{}), make(chan string, 2)
	at := func(name string) string {
		url, _ := images(t, func(n int32, w http.ResponseWriter, r *http.Request) {
			arrived <- name
			<-gate
			making(n, w, r)
		})
		return url
	}
	a, b := at("a"), at("b")
	p := passOn(t, fast(t), usage.Prices{})
	inbox, err := p.nc.SubscribeSync(nats.NewInbox())
	require.NoError(t, err)
	seen := ""
	for range 2 {
		require.NoError(t, p.nc.PublishRequest("myriad.llm.player.forward", inbox.Subject, payloadOf(t, "images/generations", `{}`, []string{a, b})))
		seen += <-arrived
	}
	close(gate)
	require.Equal(t, "ab", seen)
	for range 2 {
		m, err := inbox.NextMsg(20 * time.Second)
		require.NoError(t, err)
		require.Empty(t, m.Header.Get("Myriad-Error"))
	}
}

func TestForwardedResponseMustFit(t *testing.T) {
	size := atomic.Int64{}
	url, asked := images(t, func(_ int32, w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, size.Load())) })
	p := passOn(t, fast(t), usage.Prices{})
	size.Store(int64(p.most()))
	require.Len(t, p.post(t, "embeddings", `{}`, []string{url}).Data, p.most())
	size.Store(p.nc.MaxPayload() + 5)
	require.Contains(t, failed(t, p.post(t, "embeddings", `{}`, []string{url})), fmt.Sprintf("it has %d bytes, %d are allowed", size.Load(), p.most()))
	require.Equal(t, int32(2), asked.Load(), "it would be no smaller")
}

func TestForwardsAreBoundedAndEndWithStop(t *testing.T) {
	arrived := make(chan struct{}, 4)
	url, _ := images(t, func(_ int32, _ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	cfg := fast(t)
	cfg.Forwards = 2
	p := passOn(t, cfg, usage.Prices{})
	inbox, err := p.nc.SubscribeSync(nats.NewInbox())
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, p.nc.PublishRequest("myriad.llm.player.forward", inbox.Subject, payloadOf(t, "images/generations", `{}`, []string{url})))
		<-arrived
	}
	require.Equal(t, llm.RefusedBusy, failed(t, p.post(t, "images/generations", `{}`, []string{url})))
	require.NoError(t, p.stop(t.Context()))
	for range 2 {
		m, err := inbox.NextMsg(20 * time.Second)
		require.NoError(t, err)
		require.Equal(t, llm.RefusedBusy, failed(t, m))
	}
	_, err = p.nc.Request("myriad.llm.player.forward", payloadOf(t, "embeddings", `{}`, []string{url}), 5*time.Second)
	require.ErrorIs(t, err, nats.ErrNoResponders)
}

func TestForwardEndsInTime(t *testing.T) {
	url, asked := images(t, func(_ int32, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	p := passOn(t, fast(t), usage.Prices{})
	require.Contains(t, failed(t, p.post(t, "embeddings", `{}`, []string{url}, "timeout:100ms")), "no answer within 1")
	require.Equal(t, int32(1), asked.Load())
	down := []string{"http://127.0.0.1:1/v1"}
	began := time.Now()
	require.Contains(t, failed(t, p.post(t, "images/generations", `{}`, down, "timeout:300ms")), "attempts: 127.0.0.1:1: ")
	require.Less(t, time.Since(began), 10*time.Second)
}

// The service has one, with its keys, prices and account.
func TestServicePassesThrough(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", "sk-very-secret")
	server, url := vllm(t, fakevllm.Options{Model: "tiny", Key: "sk-very-secret"})
	s := start(t, fast(t))
	m, err := s.nc.Request(subjects.Forward("player"), payloadOf(t, "embeddings", `{"input":"a"}`, []string{url}, "model:tiny", "run:r1"), 20*time.Second)
	require.NoError(t, err)
	require.Empty(t, m.Header.Get(subjects.HeaderError))
	require.NoError(t, s.svc.Stop(t.Context()))
	a, err := usage.Read(t.Context(), s.svc.forward.book.kv, "r1")
	require.NoError(t, err)
	require.Equal(t, server.Stats().PromptTokens, a.Total().TokensIn)
	_, err = s.nc.Request(subjects.Forward("player"), nil, 5*time.Second)
	require.ErrorIs(t, err, nats.ErrNoResponders)
}
