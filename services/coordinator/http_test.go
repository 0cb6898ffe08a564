package coordinator

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/natstest"
)

func TestAddressesItDoesNotListenOn(t *testing.T) {
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	for _, c := range []struct {
		addr string
		want error
		says []string
	}{
		{taken.Addr().String(), ErrPortTaken, []string{taken.Addr().String(), "--http"}},
		{"0.0.0.0:0", ErrNotLoopback, []string{"0.0.0.0:0", "--http", "127.0.0.1:8080", "--keys", "HTTP_TOKEN"}},
		{":0", ErrNotLoopback, nil},
		{"[::]:0", ErrNotLoopback, nil},
		{"192.0.2.1:8080", ErrNotLoopback, nil},
		{"localhost.example.com:8080", ErrNotLoopback, nil},
		{"127.0.0.1", nil, []string{"127.0.0.1:8080"}},
	} {
		l, _, err := listen(t.Context(), Config{HTTP: c.addr})
		require.Error(t, err, c.addr)
		require.Nil(t, l)
		if c.want != nil {
			require.ErrorIs(t, err, c.want, c.addr)
		}
		for _, text := range c.says {
			require.ErrorContains(t, err, text)
		}
	}
}

func TestAFailedListenerFailsTheStart(t *testing.T) {
	nat := natstest.Start(t)
	svc, err := New(nat.InProcess(t), natstest.Logger(t), Config{HTTP: "0.0.0.0:0", ShardSize: 1})
	require.NoError(t, err)
	require.ErrorIs(t, svc.Start(t.Context()), ErrNotLoopback)
	require.Empty(t, svc.HTTPAddr())
	require.NoError(t, svc.Stop(t.Context()))
}

func TestForeignNamesAreRefused(t *testing.T) {
	k := newStack(t)
	k.start()
	_, port, err := net.SplitHostPort(k.svc.HTTPAddr())
	require.NoError(t, err)
	for host, ok := range map[string]bool{
		"localhost": true, "LOCALHOST:1": true, "127.0.0.1": true, "127.0.0.1:" + port: true, "[::1]": true, "[::1]:80": true,
		"evil.example": false, "evil.example:" + port: false, "localhost.evil.example": false, "127.0.0.1.evil.example:" + port: false,
		"10.0.0.1": false, "[::2]:80": false,
	} {
		for _, path := range []string{"/v1/runs", "/", "/metrics", "/openapi.json"} {
			r := k.request(http.MethodGet, path, "")
			r.Host = host
			res := k.do(r)
			if ok {
				require.Equal(t, http.StatusOK, res.StatusCode, host)
				continue
			}
			requireProblem(t, res, http.StatusMisdirectedRequest, "forbidden")
		}
	}
}

func TestOtherOriginsChangeNothing(t *testing.T) {
	k := newStack(t)
	k.start()
	send := func(header, value string) answer {
		r := k.request(http.MethodPost, "/v1/runs", game)
		r.Header.Set(header, value)
		return k.do(r)
	}
	requireProblem(t, send("Origin", "https://evil.example"), http.StatusForbidden, "forbidden")
	requireProblem(t, send("Sec-Fetch-Site", "cross-site"), http.StatusForbidden, "forbidden")
	requireProblem(t, send("Sec-Fetch-Site", "same-site"), http.StatusForbidden, "forbidden")
	require.JSONEq(t, `[]`, k.get("/v1/runs").text)
	require.Equal(t, http.StatusAccepted, send("Sec-Fetch-Site", "same-origin").StatusCode)
	require.Equal(t, http.StatusAccepted, send("Origin", k.url("")).StatusCode)
}

func TestEveryResponseHasSecurityHeaders(t *testing.T) {
	k := newStack(t)
	k.start()
	for _, path := range []string{"/", "/docs", "/v1/runs", "/nothing", "/metrics"} {
		h := k.get(path).Header
		require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"), path)
		require.Equal(t, "same-origin", h.Get("Cross-Origin-Resource-Policy"), path)
		require.Contains(t, h.Get("Content-Security-Policy"), "default-src 'none'", path)
		require.Contains(t, h.Get("Content-Security-Policy"), "frame-ancestors 'none'", path)
		require.Empty(t, h.Get("Access-Control-Allow-Origin"), path)
	}
}

func TestWhatThereIsNot(t *testing.T) {
	k := newStack(t)
	k.start()
	requireProblem(t, k.get("/nothing"), http.StatusNotFound, "not_found")
	requireProblem(t, k.get("/v1/runs/"), http.StatusNotFound, "not_found")
	res := k.do(k.request(http.MethodDelete, "/v1/runs", ""))
	p := requireProblem(t, res, http.StatusMethodNotAllowed, "method_not_allowed")
	require.Contains(t, p.Detail, "POST")
	require.Contains(t, res.Header.Get("Allow"), "POST")
	p = requireProblem(t, k.get("/v1/runs?stat=running"), http.StatusUnprocessableEntity, "invalid")
	require.Equal(t, "query.stat", p.Errors[0].Location)
	require.Equal(t, "/v1/hosts", k.get("/v1//hosts").Request.URL.Path, "a redirect to the clean path")
}

func TestAPanicIsAProblemWithoutDetails(t *testing.T) {
	var logged strings.Builder
	v := &server{log: slog.New(slog.NewTextHandler(&logged, nil))}
	serve := func(h http.HandlerFunc) *http.Response {
		ts := httptest.NewServer(v.guard(h))
		defer ts.Close()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, ts.URL, nil)
		require.NoError(t, err)
		res, err := client.Do(r)
		require.NoError(t, err)
		return res
	}
	res := serve(func(http.ResponseWriter, *http.Request) { panic("the secret") })
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	p := requireProblem(t, answer{res, string(body)}, http.StatusInternalServerError, "internal")
	require.NotContains(t, p.Detail, "secret")
	require.Contains(t, logged.String(), "the secret")
	require.Contains(t, logged.String(), "http_test.go", "the stack")

	res = serve(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", 1<<20))
		panic("half way")
	})
	_, err = io.ReadAll(res.Body)
	require.Error(t, err, "what is cut off does not look whole")
	require.NoError(t, res.Body.Close())
}

func TestStopIsNotHeldUpByIdleConnections(t *testing.T) {
	k := newStack(t)
	k.start()
	silent, err := new(net.Dialer).DialContext(t.Context(), "tcp", k.svc.HTTPAddr())
	require.NoError(t, err)
	defer silent.Close()
	require.Eventually(t, func() bool { return connections(k.svc.http) == 1 }, waitFor, pollEvery)
	began := time.Now()
	k.stop()
	require.Less(t, time.Since(began), 3*time.Second)
	_, err = silent.Read(make([]byte, 1))
	require.Error(t, err)
	_, err = new(net.Dialer).DialContext(t.Context(), "tcp", k.svc.HTTPAddr())
	require.Error(t, err)
}

func connections(v *server) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.open)
}

func TestStopLetsRequestsFinishAndThenCutsThemOff(t *testing.T) {
	for name, finish := range map[string]bool{"finishes": true, "is cut off": false} {
		t.Run(name, func(t *testing.T) {
			v := &server{log: natstest.Logger(t), closing: make(chan struct{}), open: map[net.Conn]http.ConnState{}}
			base, cancel := context.WithCancel(t.Context())
			v.cancel = cancel
			begun, let := make(chan struct{}), make(chan struct{})
			v.http = &http.Server{ReadHeaderTimeout: time.Second, ConnState: v.track, BaseContext: func(net.Listener) context.Context { return base },
				Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					close(begun)
					select {
					case <-let:
						w.WriteHeader(http.StatusNoContent)
					case <-r.Context().Done():
					}
				})}
			l, _, err := listen(t.Context(), Config{HTTP: "127.0.0.1:0"})
			require.NoError(t, err)
			v.work.Go(func() { _ = v.http.Serve(l) })
			got := make(chan error, 1)
			go func() {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+l.Addr().String(), nil)
				if err == nil {
					var res *http.Response
					if res, err = client.Do(r); err == nil {
						err = res.Body.Close()
					}
				}
				got <- err
			}()
			<-begun
			ctx, stopNow := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer stopNow()
			if finish {
				ctx = t.Context()
				go func() { <-v.closing; close(let) }()
			}
			err = v.stop(ctx)
			if finish {
				require.NoError(t, err)
				require.NoError(t, <-got)
				return
			}
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Error(t, <-got)
		})
	}
}

func TestUnreachableMeansTryAgain(t *testing.T) {
	k := newStack(t)
	k.start()
	p := k.svc.http.explain(t.Context(), "test", context.DeadlineExceeded)
	require.Equal(t, http.StatusServiceUnavailable, p.Status)
	p = k.svc.http.explain(t.Context(), "test", errors.New("disk /var/secret is full"))
	require.Equal(t, http.StatusInternalServerError, p.Status)
	require.NotContains(t, p.Detail, "secret")
}
