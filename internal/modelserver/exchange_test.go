package modelserver

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const whole = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

func say(t *testing.T, s *Server) *Error {
	t.Helper()
	_, err := s.Chat(t.Context(), plainParams(), user("q"))
	return failure(t, err)
}

func TestUnreached(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	for name, url := range map[string]string{
		"refused":               "http://" + l.Addr().String() + "/v1",
		"no such host":          "http://no-such-host.invalid/v1",
		"no TLS there":          "https://" + plain.Listener.Addr().String() + "/v1",
		"certificate of nobody": secure.URL + "/v1",
		"a port that cannot be": "http://127.0.0.1:0/v1",
	} {
		e := say(t, client(t, url, testKey))
		require.Equal(t, Unreached, e.Kind, "%s: %v", name, e)
		require.Zero(t, e.Status)
		require.NoError(t, e.Unwrap())
	}
}

func TestLost(t *testing.T) {
	head := whole + "Content-Length: 500\r\n\r\n" + `{"choices":[{"index":0,"message":{"content":"sev`
	for name, act := range map[string]func(c net.Conn){
		"closed without an answer": func(net.Conn) {},
		"reset without an answer":  reset,
		"cut off in the body":      func(c net.Conn) { _, _ = io.WriteString(c, head) },
		"reset in the body": func(c net.Conn) {
			_, _ = io.WriteString(c, head)
			reset(c)
		},
		"cut off in a chunk": func(c net.Conn) {
			_, _ = io.WriteString(c, whole+"Transfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n")
		},
		"no HTTP": func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0-OpenSSH\r\n") },
	} {
		e := say(t, raw(t, act))
		require.Equal(t, Lost, e.Kind, "%s: %v", name, e)
		require.NoError(t, e.Unwrap(), name)
	}
}

func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
}

// hanging starts a server that says what it is told and then nothing.
func hanging(t *testing.T, words string) (*Server, chan struct{}) {
	t.Helper()
	heard := make(chan struct{}, 8)
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if words != "" {
			_, _ = io.WriteString(w, words)
			_ = http.NewResponseController(w).Flush()
		}
		heard <- struct{}{}
		<-r.Context().Done()
	}))
	t.Cleanup(h.Close)
	return client(t, h.URL+"/v1", testKey), heard
}

func TestTimeOutAfterSendingIsLost(t *testing.T) {
	for name, words := range map[string]string{"silence": "", "in the body": `{"choices":[`} {
		s, _ := hanging(t, words)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err := s.Chat(ctx, plainParams(), user("q"))
		cancel()
		e := failure(t, err)
		require.Equal(t, Lost, e.Kind, name)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Contains(t, e.Text, "no answer within")
	}
}

func TestCancelledCallSaysSo(t *testing.T) {
	s, heard := hanging(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-heard
		cancel()
	}()
	_, err := s.Batch(ctx, plainParams(), users(3))
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, Lost, failure(t, err).Kind)

	_, err = s.Chat(ctx, plainParams(), user("q"))
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, Unreached, failure(t, err).Kind, "it had ended before anything was sent")
}

// A server that never completes the handshake of TLS has been sent nothing.
func TestTimeOutBeforeSendingIsUnreached(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = client(t, "https://"+l.Addr().String()+"/v1", testKey).Chat(ctx, plainParams(), user("q"))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	e := failure(t, err)
	require.Equal(t, Unreached, e.Kind)
	require.Contains(t, e.Text, "no connection within")
}

// A byte at a time, a server could hold a call for days.
func TestSlowAnswerEndsWithTheTime(t *testing.T) {
	body := one("seven", "stop")
	s := fake(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for i := range len(body) {
			_, _ = io.WriteString(w, body[i:i+1])
			_ = http.NewResponseController(w).Flush()
			select {
			case <-tick.C:
			case <-r.Context().Done():
				return
			}
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Millisecond)
	defer cancel()
	_, err := s.Chat(ctx, plainParams(), user("q"))
	require.Equal(t, Lost, failure(t, err).Kind)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestEndlessAnswerIsRefused(t *testing.T) {
	endless := func(status int) *Server {
		return fake(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(status)
			for spaces := strings.Repeat(" ", 1<<20); r.Context().Err() == nil; {
				if _, err := io.WriteString(w, spaces); err != nil {
					return
				}
			}
		})
	}
	e := say(t, endless(200))
	require.Equal(t, Malformed, e.Kind)
	require.Contains(t, e.Text, "too long: more than 33554432 bytes")
	require.Equal(t, Failing, say(t, endless(500)).Kind, "an error is not read to its end")
}

func TestBoundOfAResponse(t *testing.T) {
	for _, announced := range []int64{-1, 10, 1 << 62} {
		got, err := readAll(nil, strings.NewReader("0123456789"), announced, 10)
		require.NoError(t, err)
		require.Equal(t, "0123456789", string(got))
		require.LessOrEqual(t, cap(got), 2<<20, "what is announced is not believed")
		_, err = readAll(nil, strings.NewReader("0123456789"), announced, 9)
		require.ErrorIs(t, err, errTooLong)
	}
}

// A redirect could carry prompts and the key to where nobody allowed them.
func TestRedirectsAreNotFollowed(t *testing.T) {
	var asked atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(other.Close)
	h := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	t.Cleanup(h.Close)
	loose := &http.Client{Transport: &http.Transport{}} // follows them by itself
	t.Cleanup(loose.CloseIdleConnections)
	e := say(t, New(Settings{URL: h.URL, HTTP: loose}))
	require.Equal(t, Forbidden, e.Kind)
	require.Contains(t, e.Text, "HTTP 307: redirects are not followed")
	require.Zero(t, asked.Load())
}

func TestBadBaseURL(t *testing.T) {
	for _, url := range []string{"", "localhost:8000", "ftp://h/v1", "http://", "http://[::1", "http://h:80:80/\x7f"} {
		s := client(t, url, testKey)
		_, chat := s.Chat(t.Context(), plainParams(), user("q"))
		_, batch := s.Batch(t.Context(), plainParams(), users(2))
		_, forward := s.Forward(t.Context(), "embeddings", []byte("{}"), 1000)
		_, load := s.Load(t.Context())
		for _, err := range []error{chat, batch, forward, load, s.Healthy(t.Context())} {
			require.Equal(t, Forbidden, failure(t, err).Kind, url)
			require.Contains(t, err.Error(), "not an http or https URL")
		}
	}
}
