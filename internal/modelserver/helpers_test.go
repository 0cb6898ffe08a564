package modelserver

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/myriad-sim/myriad/internal/llm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testKey = "sk-very-secret"

// fake starts a server and makes its client, with a key.
func fake(t *testing.T, handler http.HandlerFunc) *Server {
	t.Helper()
	h := httptest.NewServer(handler)
	t.Cleanup(h.Close)
	return client(t, h.URL+"/v1", testKey)
}

func client(t *testing.T, url, key string) *Server {
	t.Helper()
	c := NewHTTPClient()
	t.Cleanup(c.CloseIdleConnections)
	return New(Settings{URL: url, Key: key, HTTP: c})
}

// answering starts a server that always says the same.
func answering(t *testing.T, status int, body string, header ...string) *Server {
	t.Helper()
	return fake(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

// raw starts a server that reads one request and then does with the connection what it is told, as real servers should
// not.
func raw(t *testing.T, act func(c net.Conn)) *Server {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				_, _ = io.Copy(io.Discard, r.Body)
				act(c)
			}
			_ = c.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return client(t, "http://"+l.Addr().String()+"/v1", testKey)
}

func user(text string) Conversation {
	return Conversation{Messages: []llm.Message{{Role: llm.RoleUser, Content: text}}}
}

func users(n int) []Conversation {
	list := make([]Conversation, n)
	for i := range list {
		list[i] = user(fmt.Sprintf("question %d", i))
	}
	return list
}

func plainParams() *Params { return &Params{Model: "m"} }

// one is a response with one choice.
func one(text, reason string) string {
	quoted, _ := json.Marshal(text) //nolint:errchkjson // a text can be written
	return fmt.Sprintf(`{"model":"m-7b","choices":[{"index":0,"message":{"role":"assistant","content":%s},"finish_reason":%q}],"usage":{"prompt_tokens":12,"completion_tokens":3}}`, quoted, reason)
}

// failure is the *Error in err.
func failure(t *testing.T, err error) *Error {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	require.True(t, ok, "%v", err)
	require.LessOrEqual(t, len(e.Text), 400)
	require.NotContains(t, e.Text, "\n")
	require.NotContains(t, e.Text, testKey)
	require.NotEmpty(t, e.Text)
	return e
}
