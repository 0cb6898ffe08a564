package modelserver

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/myriad-sim/myriad/internal/llm"
)

func TestPaths(t *testing.T) {
	for base, want := range map[string][3]string{
		"http://h:8000/v1":                     {"http://h:8000/v1/chat/completions", "http://h:8000/health", "http://h:8000/v1/models"},
		"http://h:8000/v1/":                    {"http://h:8000/v1/chat/completions", "http://h:8000/health", "http://h:8000/v1/models"},
		"http://h":                             {"http://h/chat/completions", "http://h/health", "http://h/models"},
		"https://x.openai.azure.com/openai/v1": {"https://x.openai.azure.com/openai/v1/chat/completions", "https://x.openai.azure.com/openai/health", "https://x.openai.azure.com/openai/v1/models"},
	} {
		var asked []string
		s := New(Settings{URL: base, HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			asked = append(asked, r.URL.String())
			return &http.Response{StatusCode: 404, Body: http.NoBody}, nil
		})}})
		require.NoError(t, s.Healthy(t.Context()))
		require.Equal(t, want[:], append([]string{s.chat.url.String()}, asked...), base)
		require.True(t, strings.HasPrefix(s.chat.url.Path, "/"), base)
	}
}

// Buffers are used again while answers of others are read, and some servers answer before they have read the request.
func TestCallsAtOnceKeepApart(t *testing.T) {
	var n atomic.Int32
	s := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1)%3 == 0 {
			w.WriteHeader(http.StatusTooManyRequests) // without reading
			return
		}
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		if strings.HasSuffix(r.URL.Path, "/batch") {
			var list []string
			for i, part := range strings.Split(string(body), "question ")[1:] {
				number, _, _ := strings.Cut(part, "\"")
				list = append(list, spoken(i, "answer "+strings.TrimRight(number, "x")))
			}
			_, _ = io.WriteString(w, choices(list...))
			return
		}
		_, text, _ := strings.Cut(string(body), "question ")
		text, _, _ = strings.Cut(text, "\"")
		_, _ = io.WriteString(w, one("answer "+strings.TrimRight(text, "x"), "stop"))
	})
	var g errgroup.Group
	for worker := range 8 {
		g.Go(func() error {
			for i := range 60 {
				ask := func(k int) Conversation {
					return user(fmt.Sprintf("question %d.%d.%d%s", worker, i, k, strings.Repeat("x", 997*(i%40))))
				}
				if i%2 == 0 {
					got, err := s.Chat(t.Context(), plainParams(), ask(0))
					if err == nil && got.Text != fmt.Sprintf("answer %d.%d.0", worker, i) {
						return fmt.Errorf("%d.%d got %q", worker, i, got.Text)
					}
					continue
				}
				got, err := s.Batch(t.Context(), plainParams(), []Conversation{ask(0), ask(1), ask(2)})
				for k, c := range got.Completions {
					if err == nil && c.Text != fmt.Sprintf("answer %d.%d.%d", worker, i, k) {
						return fmt.Errorf("%d.%d.%d got %q", worker, i, k, c.Text)
					}
				}
			}
			return nil
		})
	}
	require.NoError(t, g.Wait())
}

// The transport may hold the body of a batch longer than the call.
func TestBodyIsFreeWhenAllLetGo(t *testing.T) {
	var kept []io.ReadCloser
	c := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		kept = append(kept, r.Body) // closed later
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(one("seven", "stop")))}, nil
	})}
	s := New(Settings{URL: "http://h/v1", HTTP: c})
	for i := range 20 {
		_, err := s.Batch(t.Context(), plainParams(), []Conversation{user(fmt.Sprintf("question %d.", i))})
		require.NoError(t, err)
	}
	for i, r := range kept {
		body, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Contains(t, string(body), fmt.Sprintf("question %d.", i))
		require.NoError(t, r.Close())
		require.NoError(t, r.Close())
		_, err = r.Read(make([]byte, 1))
		require.ErrorIs(t, err, errClosed)
	}
}

func TestLargeBuffersAreNotKept(t *testing.T) {
	pool := &outgoings{most: 100}
	for range 50 {
		o := pool.get()
		require.LessOrEqual(t, cap(o.data), 100)
		require.Empty(t, o.data)
		o.data = append(o.data, bytes.Repeat([]byte("x"), 101)...)
		o.release()
	}
	// The race detector makes pools forget at random, so one of many is enough.
	again := false
	for range 50 {
		o := pool.get()
		again = again || cap(o.data) > 0
		o.data = append(o.data, "small"...)
		o.release()
	}
	require.True(t, again, "a small one is used again")
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	var made sync.Map
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		made.Store(r.RemoteAddr, true)
		switch r.URL.Path {
		case "/v1/chat/completions":
			_, _ = io.WriteString(w, one("seven", "stop"))
		default:
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"detail":"Not Found"}`)
		}
	}))
	t.Cleanup(h.Close)
	s := client(t, h.URL+"/v1", "")
	for range 10 {
		_, err := s.Chat(t.Context(), plainParams(), user("q"))
		require.NoError(t, err)
		_, err = s.Batch(t.Context(), plainParams(), users(2))
		require.Equal(t, Lacking, failure(t, err).Kind)
	}
	n := 0
	made.Range(func(any, any) bool { n++; return true })
	require.Equal(t, 1, n)
}

// Where TLS offers HTTP/2 one connection carries many calls.
func TestHTTP2(t *testing.T) {
	var conns sync.Map
	h := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, 2, r.ProtoMajor)
		_, _ = io.Copy(io.Discard, r.Body)
		conns.Store(r.RemoteAddr, true)
		_, _ = io.WriteString(w, one("seven", "stop"))
	}))
	h.EnableHTTP2 = true
	h.StartTLS()
	t.Cleanup(h.Close)
	c := NewHTTPClient()
	t.Cleanup(c.CloseIdleConnections)
	inner, ok := c.Transport.(*http.Transport)
	require.True(t, ok)
	trusted, ok := h.Client().Transport.(*http.Transport)
	require.True(t, ok)
	inner.TLSClientConfig = trusted.TLSClientConfig.Clone()
	inner.TLSClientConfig.NextProtos = nil
	s := New(Settings{URL: h.URL + "/v1", HTTP: c})
	_, err := s.Chat(t.Context(), plainParams(), user("q"))
	require.NoError(t, err)
	var g errgroup.Group
	for range 20 {
		g.Go(func() error {
			_, err := s.Chat(t.Context(), plainParams(), user("q"))
			return err
		})
	}
	require.NoError(t, g.Wait())
	n := 0
	conns.Range(func(any, any) bool { n++; return true })
	require.Equal(t, 1, n)
}

// A prompt is written once, into a buffer that need not grow.
func TestChatMakesLittleGarbage(t *testing.T) {
	c := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		_ = r.Body.Close()
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(one("seven", "stop")))}, nil
	})}
	s := New(Settings{URL: "http://h/v1", HTTP: c})
	p, conv := plainParams(), Conversation{System: strings.Repeat("rules ", 3000), Messages: []llm.Message{{Content: "q"}}}
	const calls = 300
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range calls {
		_, err := s.Chat(t.Context(), p, conv)
		require.NoError(t, err)
	}
	runtime.ReadMemStats(&after)
	require.Less(t, (after.TotalAlloc-before.TotalAlloc)/calls, uint64(len(conv.System)*5/4+4096))
}
