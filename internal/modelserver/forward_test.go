package modelserver

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestForward(t *testing.T) {
	s := fake(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		assert.Equal(t, "Bearer "+testKey, r.Header.Get("Authorization"))
		assert.True(t, bytes.Equal([]byte(` {"input":"a"}`), body), "as it came")
		switch r.URL.Path {
		case "/v1/embeddings":
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			_, _ = io.WriteString(w, `{"data":[]}`)
		case "/v1/audio/speech":
			w.Header().Set("Content-Type", "audio/mpeg")
			_, _ = w.Write([]byte{0xff, 0xfb, 0})
		case "/v1/broken":
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"data":[`)
		case "/v1/empty":
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
	forward := func(path string) (Forwarded, error) {
		return s.Forward(t.Context(), path, []byte(` {"input":"a"}`), 1000)
	}
	got, err := forward("embeddings")
	require.NoError(t, err)
	require.Equal(t, Forwarded{ContentType: "application/json; charset=utf-8", Body: []byte(`{"data":[]}`)}, got)
	got, err = forward("audio/speech")
	require.NoError(t, err)
	require.Equal(t, Forwarded{ContentType: "audio/mpeg", Body: []byte{0xff, 0xfb, 0}}, got)
	for path, want := range map[string]Kind{"broken": Malformed, "empty": Malformed, "images/generations": Lacking} {
		_, err = forward(path)
		require.Equal(t, want, failure(t, err).Kind, path)
	}
}

func TestForwardGoesNowhereElse(t *testing.T) {
	s := fake(t, nil) // would panic
	for _, path := range []string{"", "/", "/embeddings", "..", "../metrics", "a/../../b", "a//b", "a/", "a/.b", "http://h/x", "//h/x", "a?b=c", "a#b", "a%2e%2e/b", `a\b`, "a b", "a\n", "é"} {
		_, err := s.Forward(t.Context(), path, []byte("{}"), 1000)
		require.Equal(t, Rejected, failure(t, err).Kind, path)
	}
	for _, body := range []string{"", "[]", "{", `"x"`, "{}x", "null"} {
		_, err := s.Forward(t.Context(), "embeddings", []byte(body), 1000)
		require.Equal(t, Rejected, failure(t, err).Kind, body)
	}
}

func TestForwardedFailuresAreClassified(t *testing.T) {
	_, err := answering(t, 429, "", "Retry-After", "1").Forward(t.Context(), "embeddings", []byte("{}"), 1000)
	require.Equal(t, Overloaded, failure(t, err).Kind)
	require.Equal(t, time.Second, failure(t, err).After)
	_, err = answering(t, 401, `{"error":{"message":"bad key `+testKey+`"}}`).Forward(t.Context(), "embeddings", []byte("{}"), 1000)
	require.Equal(t, Forbidden, failure(t, err).Kind)
}

// The library would retry, follow what the environment says, and read an endless error to its end.
func TestForwardTrustsNeitherLibraryNorServer(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", "sk-ambient")
	t.Setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/ambient")
	t.Setenv("OPENAI_ORG_ID", "org-ambient")
	var asked atomic.Int32
	s := fake(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		for name, values := range r.Header {
			assert.NotContains(t, strings.Join(values, " "), "ambient", name)
		}
		assert.Empty(t, r.Header.Get("Authorization"))
		w.WriteHeader(http.StatusInternalServerError)
		for r.Context().Err() == nil {
			_, _ = w.Write(make([]byte, 1<<16))
		}
	})
	_, err := client(t, s.base.String(), "").Forward(t.Context(), "embeddings", []byte("{}"), 1000)
	require.Equal(t, Failing, failure(t, err).Kind)
	require.Equal(t, int32(1), asked.Load())
}

func TestForwardedResponsesAreBounded(t *testing.T) {
	for name, announce := range map[string]bool{"announced": true, "not announced": false} {
		s := fake(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			if announce {
				w.Header().Set("Content-Length", "300000")
			}
			_, _ = w.Write(make([]byte, 300000))
		})
		got, err := s.Forward(t.Context(), "audio/speech", []byte("{}"), 300000)
		require.NoError(t, err, name)
		require.Len(t, got.Body, 300000)
		_, err = s.Forward(t.Context(), "audio/speech", []byte("{}"), 299999)
		require.ErrorIs(t, err, ErrTooLarge, name)
		require.Contains(t, failure(t, err).Text, "it has 300000 bytes, 299999 are allowed", name)
	}
}

func TestForwardSaysWhetherAnythingWasSent(t *testing.T) {
	gone := client(t, "http://127.0.0.1:1/v1", testKey)
	_, err := gone.Forward(t.Context(), "embeddings", []byte("{}"), 1000)
	require.Equal(t, Unreached, failure(t, err).Kind)
	_, err = raw(t, func(net.Conn) {}).Forward(t.Context(), "embeddings", []byte("{}"), 1000)
	require.Equal(t, Lost, failure(t, err).Kind)
	s := fake(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = s.Forward(ctx, "embeddings", []byte("{}"), 1000)
	require.Equal(t, Lost, failure(t, err).Kind)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	cut := raw(t, func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{") })
	_, err = cut.Forward(t.Context(), "embeddings", []byte("{}"), 1000)
	require.Equal(t, Lost, failure(t, err).Kind)
}

func TestForwardSendsAgainOnAClosedIdleConnection(t *testing.T) {
	c, n := played(func(n int, r *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		require.JSONEq(t, `{"input":"a"}`, string(body), "the body is sent whole each time")
		if n <= 2 {
			return nil, errors.New("http: server closed idle connection")
		}
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader("x"))}, nil
	})
	got, err := New(Settings{URL: "http://h/v1", HTTP: c}).Forward(t.Context(), "embeddings", []byte(`{"input":"a"}`), 1000)
	require.NoError(t, err)
	require.Equal(t, "x", string(got.Body))
	require.Equal(t, int32(3), n.Load())
}
