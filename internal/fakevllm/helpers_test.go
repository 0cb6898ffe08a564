package fakevllm

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// peer is a server that listens and a client of it.
type peer struct {
	*Server
	url  string // up to /v1
	http *http.Client
}

func start(t testing.TB, o Options) *peer {
	t.Helper()
	s, err := New(o)
	require.NoError(t, err)
	url, err := s.Start()
	require.NoError(t, err)
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		s.Close()
	})
	return &peer{s, url, &http.Client{Transport: transport, Timeout: 20 * time.Second}}
}

// reply is a response that was read.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// try posts a body. With an error the reply is what came before it.
func (p *peer) try(ctx context.Context, path, body string) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+path, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := p.http.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, got}, err
}

func (p *peer) post(t testing.TB, path, body string) reply {
	t.Helper()
	r, err := p.try(t.Context(), path, body)
	require.NoError(t, err)
	return r
}

func (p *peer) get(t testing.TB, path string) reply {
	t.Helper()
	resp, err := p.http.Get(strings.TrimSuffix(p.url, "/v1") + path)
	require.NoError(t, err)
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return reply{resp.StatusCode, resp.Header, got}
}

// completion is a response to a chat, read strictly where it matters.
type completion struct {
	ID          string   `json:"id"`
	Object      string   `json:"object"`
	Model       string   `json:"model"`
	Fingerprint string   `json:"system_fingerprint"`
	Choices     []choice `json:"choices"`
	Usage       struct {
		Prompt int `json:"prompt_tokens"`
		Output int `json:"completion_tokens"`
		Total  int `json:"total_tokens"`
	} `json:"usage"`
}

type choice struct {
	Index   int `json:"index"`
	Message struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	} `json:"message"`
	Finish string  `json:"finish_reason"`
	Stop   *string `json:"stop_reason"`
}

func (r reply) completion(t testing.TB) completion {
	t.Helper()
	require.Equal(t, http.StatusOK, r.status, string(r.body))
	var c completion
	require.NoError(t, json.Unmarshal(r.body, &c), string(r.body))
	return c
}

// refused is what an error body says.
type refused struct {
	Message string
	Type    string
	Param   *string
	Code    int
}

func (r reply) refused(t testing.TB) refused {
	t.Helper()
	var e struct{ Error refused }
	require.NoError(t, json.Unmarshal(r.body, &e), string(r.body))
	require.Equal(t, r.status, e.Error.Code)
	return e.Error
}

const ask = "Report a number from 0 to 100."

// chatBody is a request with one message and more fields, such as `"temperature":0`.
func chatBody(content string, more ...string) string {
	return fmt.Sprintf(`{"model":"fake","messages":[{"role":"user","content":%s}]%s}`, quote(content), fields(more))
}

// batchBody is a batch of conversations of one message each.
func batchBody(contents []string, more ...string) string {
	var b strings.Builder
	for i, c := range contents {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `[{"role":"user","content":%s}]`, quote(c))
	}
	return fmt.Sprintf(`{"model":"fake","messages":[%s]%s}`, b.String(), fields(more))
}

func fields(more []string) string {
	if len(more) == 0 {
		return ""
	}
	return "," + strings.Join(more, ",")
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(bytes.TrimSpace(b))
}

func numbered(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("You are agent %d. %s", i, ask)
	}
	return out
}

func repeated(s string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = s
	}
	return out
}
