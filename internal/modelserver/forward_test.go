package modelserver

import (
	"bytes"
	"io"
	"net/http"
	"testing"

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
	forward := func(path string) (Forwarded, error) { return s.Forward(t.Context(), path, []byte(` {"input":"a"}`)) }
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
		_, err := s.Forward(t.Context(), path, []byte("{}"))
		require.Equal(t, Rejected, failure(t, err).Kind, path)
	}
	for _, body := range []string{"", "[]", "{", `"x"`, "{}x", "null"} {
		_, err := s.Forward(t.Context(), "embeddings", []byte(body))
		require.Equal(t, Rejected, failure(t, err).Kind, body)
	}
}

func TestForwardedFailuresAreClassified(t *testing.T) {
	_, err := answering(t, 429, "", "Retry-After", "1").Forward(t.Context(), "embeddings", []byte("{}"))
	require.Equal(t, Overloaded, failure(t, err).Kind)
	_, err = answering(t, 401, `{"error":{"message":"bad key `+testKey+`"}}`).Forward(t.Context(), "embeddings", []byte("{}"))
	require.Equal(t, Forbidden, failure(t, err).Kind)
}
