package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/fakevllm"
)

// sharedOutput is an output that may be looked at while it is written.
type sharedOutput struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *sharedOutput) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *sharedOutput) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func TestFakevllmServesUntilItIsStopped(t *testing.T) {
	t.Setenv("TEST_FAKEVLLM_KEY", "k")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out sharedOutput
	ended := make(chan int, 1)
	go func() {
		ended <- realMain(ctx, []string{"fakevllm", "--listen", "127.0.0.1:0", "--model", "org/toy", "--api-key-env", "TEST_FAKEVLLM_KEY",
			"--faults", "429@2", "--admin", "127.0.0.1:0", "--style", "plain"}, &out, &out)
	}()
	require.Eventually(t, func() bool { return strings.Contains(out.String(), "Ctrl-C") }, 10*time.Second, 5*time.Millisecond)
	text := out.String()
	require.Contains(t, text, "not a language model")
	hint := regexp.MustCompile(`--model player=openai:(http://\S+/v1):org/toy --agents 1000`).FindStringSubmatch(text)
	require.NotNil(t, hint, text)
	admin := regexp.MustCompile(`Commands are taken on (\S+)`).FindStringSubmatch(text)
	require.NotNil(t, admin, text)

	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	post := func(url, body string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer k")
		resp, err := client.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		got, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(got)
	}
	chat := func() (int, string) {
		return post(hint[1]+"/chat/completions", `{"model":"org/toy","messages":[{"role":"user","content":"from 4 to 4"}]}`)
	}
	status, body := chat()
	require.Equal(t, http.StatusOK, status, body)
	require.Contains(t, body, `"content":"4"`)
	status, _ = chat()
	require.Equal(t, http.StatusTooManyRequests, status)
	status, _ = post(admin[1]+"/fault", "500:1")
	require.Equal(t, http.StatusOK, status)
	status, _ = chat()
	require.Equal(t, http.StatusInternalServerError, status)

	cancel()
	require.Equal(t, 0, <-ended)
	require.Contains(t, out.String(), "Stopped.")
	at, err := url.Parse(hint[1])
	require.NoError(t, err)
	_, err = net.Dial("tcp", at.Host)
	require.Error(t, err)
}

func TestFakevllmRefusesWhatCannotBe(t *testing.T) {
	for args, says := range map[string]string{
		"--faults plague:1":            "plague",
		"--api-key-env NOT_SET_AT_ALL": "NOT_SET_AT_ALL is not set",
		"--listen 256.0.0.1:1":         "fakevllm",
		"--style baroque":              "--style",
	} {
		code, _, stderr := call(t, append([]string{"fakevllm"}, strings.Fields(args)...)...)
		require.NotZero(t, code, args)
		require.Contains(t, stderr, says)
	}
	_, help, _ := call(t, "fakevllm", "--help")
	require.Contains(t, help, "not a language model")
	require.Contains(t, strings.Join(strings.Fields(help), " "), "equal prompts then get equal answers")
}

func TestFiguresOfTheFakeServer(t *testing.T) {
	line := figures(fakevllm.Stats{Completions: 100, PrefixQueries: 50}, fakevllm.Stats{
		Completions: 2100, Running: 7, Waiting: 3, PromptTokens: 1000, OutputTokens: 500, PrefixQueries: 150, PrefixHits: 75,
		Faults: map[fakevllm.Fault]uint64{fakevllm.Reset: 2, fakevllm.TooMany: 1},
	})
	require.Equal(t, "2100 completions (200/s), 7 running, 3 waiting, 100 prompt and 50 answer tokens/s, prefix cache 75 %, faults: 429 1, reset 2", line)
}
