package modelserver

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// played makes a client whose transport answers the n-th request as it is told.
func played(play func(n int, r *http.Request) (*http.Response, error)) (*http.Client, *atomic.Int32) {
	var n atomic.Int32
	return &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		defer func() { _ = r.Body.Close() }()
		return play(int(n.Add(1)), r)
	})}, &n
}

type roundTrip func(r *http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Nothing was lost with a connection that the server had closed before we wrote to it.
func TestClosedIdleConnectionIsNoFailure(t *testing.T) {
	idle := errors.New("http: server closed idle connection")
	for failures, want := range map[int]bool{1: true, 2: true, 3: false} {
		c, n := played(func(n int, r *http.Request) (*http.Response, error) {
			body, err := io.ReadAll(r.Body)
			require.NoError(t, err)
			require.Contains(t, string(body), `"content":"q"`, "the body is sent whole each time")
			if n <= failures {
				return nil, idle
			}
			return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(one("seven", "stop")))}, nil
		})
		got, err := New(Settings{URL: "http://h/v1", HTTP: c}).Chat(t.Context(), plainParams(), user("q"))
		require.Equal(t, int32(min(failures+1, 3)), n.Load())
		if want {
			require.NoError(t, err)
			require.Equal(t, "seven", got.Text)
		} else {
			require.Equal(t, Unreached, failure(t, err).Kind)
		}
	}
}

func TestOtherFailuresAreNotTriedAgain(t *testing.T) {
	c, n := played(func(int, *http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF })
	_, err := New(Settings{URL: "http://h/v1", HTTP: c}).Chat(t.Context(), plainParams(), user("q"))
	failure(t, err)
	require.Equal(t, int32(1), n.Load())
}

// dying is a connection that can be written to no more once it is dead.
type dying struct {
	net.Conn
	dead *atomic.Bool
}

func (c dying) Write(b []byte) (int, error) {
	if c.dead.Load() {
		return 0, syscall.EPIPE
	}
	return c.Conn.Write(b)
}

// The transport makes a new connection when the old one took nothing. If that fails, nothing was sent.
func TestDeadConnectionToADeadServerIsUnreached(t *testing.T) {
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, one("seven", "stop"))
	}))
	t.Cleanup(h.Close)
	var dead atomic.Bool
	var dials atomic.Int32
	c := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		dials.Add(1)
		if dead.Load() {
			return nil, syscall.ECONNREFUSED
		}
		inner, err := new(net.Dialer).DialContext(ctx, network, addr)
		return dying{inner, &dead}, err
	}}}
	t.Cleanup(c.CloseIdleConnections)
	s := New(Settings{URL: h.URL + "/v1", HTTP: c})
	_, err := s.Chat(t.Context(), plainParams(), user("q"))
	require.NoError(t, err)
	dead.Store(true)
	require.Equal(t, Unreached, say(t, s).Kind)
	require.Equal(t, int32(2), dials.Load())
}
