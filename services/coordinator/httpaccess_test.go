package coordinator

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/keys"
	"github.com/myriad-sim/myriad/internal/natstest"
)

// guardedStack is a coordinator with a certificate and a token, reached over the network.
type guardedStack struct {
	*stack
	dir    keys.Dir
	token  string
	client *http.Client
}

func newGuarded(t *testing.T, hosts ...string) *guardedStack {
	t.Helper()
	dir, err := keys.Init(filepath.Join(t.TempDir(), "keys"), []string{"sim.example.org"}, 1)
	require.NoError(t, err)
	token, err := os.ReadFile(dir.HTTPToken())
	require.NoError(t, err)
	ca, err := os.ReadFile(dir.CA())
	require.NoError(t, err)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(ca))
	k := &guardedStack{
		stack: newStack(t), dir: dir, token: strings.TrimSpace(string(token)),
		client: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
			DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "sim.example.org", MinVersion: tls.VersionTLS12},
		}},
	}
	k.svc, err = New(k.nat.InProcess(t), natstest.Logger(t), Config{
		ID: "test", HTTP: "0.0.0.0:0", ShardSize: 1024, HTTPCert: dir.HTTPCert(), HTTPKey: dir.HTTPKey(), HTTPToken: dir.HTTPToken(), HTTPHosts: hosts,
	})
	require.NoError(t, err)
	require.NoError(t, k.svc.Start(t.Context()))
	t.Cleanup(k.stop)
	return k
}

// ask sends a request after edit, if any, has changed it.
func (k *guardedStack) ask(method, path, body string, edit func(*http.Request)) answer {
	k.t.Helper()
	_, port, err := net.SplitHostPort(k.svc.HTTPAddr())
	require.NoError(k.t, err)
	r, err := http.NewRequestWithContext(k.t.Context(), method, "https://127.0.0.1:"+port+path, strings.NewReader(body))
	require.NoError(k.t, err)
	if edit != nil {
		edit(r)
	}
	res, err := k.client.Do(r)
	require.NoError(k.t, err)
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	require.NoError(k.t, err)
	return answer{res, string(data)}
}

func bearer(token string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

func TestOffLoopbackNeedsCertificateAndToken(t *testing.T) {
	dir, err := keys.Init(filepath.Join(t.TempDir(), "keys"), nil, 1)
	require.NoError(t, err)
	cert, key, token := dir.HTTPCert(), dir.HTTPKey(), dir.HTTPToken()
	short := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(short, []byte("secret-1\n"), 0o600))
	nat := natstest.Start(t)
	for _, c := range []struct {
		cfg  Config
		want error
		says string
	}{
		{Config{HTTP: "0.0.0.0:0", HTTPCert: cert, HTTPKey: key}, ErrNotLoopback, "HTTP_TOKEN"},
		{Config{HTTP: "0.0.0.0:0", HTTPToken: token}, ErrNotLoopback, "HTTP_CERT"},
		{Config{HTTP: "127.0.0.1:0", HTTPCert: cert}, ErrAccess, "go together"},
		{Config{HTTP: "127.0.0.1:0", HTTPCert: key, HTTPKey: key}, ErrAccess, "HTTP_CERT"},
		{Config{HTTP: "127.0.0.1:0", HTTPToken: token + "x"}, ErrAccess, "HTTP_TOKEN"},
		{Config{HTTP: "127.0.0.1:0", HTTPToken: short}, ErrAccess, "20 characters"},
	} {
		c.cfg.ShardSize = 1
		svc, err := New(nat.InProcess(t), natstest.Logger(t), c.cfg)
		require.NoError(t, err)
		err = svc.Start(t.Context())
		require.ErrorIs(t, err, c.want)
		require.ErrorContains(t, err, c.says)
		require.NotContains(t, err.Error(), "secret-1")
		require.NoError(t, svc.Stop(t.Context()))
	}
}

func TestNothingWithoutTheToken(t *testing.T) {
	k := newGuarded(t)
	run := k.ask(http.MethodPost, "/v1/runs", game, bearer(k.token))
	require.Equal(t, http.StatusAccepted, run.StatusCode, run.text)
	paths := []string{"/v1/runs", "/v1/hosts", "/readyz", "/metrics", "/nothing", "/v1/runs/x/events", "/web/../v1/runs", "//v1/runs"}
	wrong := map[string]func(*http.Request){
		"none": nil, "another": bearer(strings.Repeat("A", len(k.token))), "empty": bearer(""), "more": bearer(k.token + "A"), "less": bearer(k.token[1:]),
		"another scheme": func(r *http.Request) { r.Header.Set("Authorization", "Basic "+k.token) },
		"the query":      func(r *http.Request) { r.URL.RawQuery = "token=" + k.token },
		"a cookie":       func(r *http.Request) { r.AddCookie(&http.Cookie{Name: cookieName, Value: k.token}) },
	}
	for _, path := range paths {
		for name, edit := range wrong {
			res := k.ask(http.MethodGet, path, "", edit)
			requireProblem(t, res, http.StatusUnauthorized, "unauthorized")
			require.Contains(t, res.Header.Get("WWW-Authenticate"), "Bearer", name)
			require.NotContains(t, res.text, k.token)
		}
	}
	for _, method := range []string{http.MethodPost, http.MethodDelete, http.MethodPut} {
		requireProblem(t, k.ask(method, "/v1/runs", game, nil), http.StatusUnauthorized, "unauthorized")
		requireProblem(t, k.ask(method, "/healthz", "", nil), http.StatusUnauthorized, "unauthorized")
	}
	for _, path := range []string{"/healthz", "/", "/docs", "/web/dom.js", "/openapi.json"} {
		require.Equal(t, http.StatusOK, k.ask(http.MethodGet, path, "", nil).StatusCode, path)
	}
	for _, path := range []string{"/v1/runs", "/metrics"} {
		require.Equal(t, http.StatusOK, k.ask(http.MethodGet, path, "", bearer(k.token)).StatusCode, path)
	}
}

// A page gives the token once, and links and event streams of that browser work from then on.
func TestPagesGiveTheToken(t *testing.T) {
	k := newGuarded(t)
	requireProblem(t, k.ask(http.MethodPost, "/login", "wrong", nil), http.StatusUnauthorized, "unauthorized")
	requireProblem(t, k.ask(http.MethodPost, "/login", strings.Repeat("x", tokenMost+1), nil), http.StatusUnauthorized, "unauthorized")
	requireProblem(t, k.ask(http.MethodGet, "/login", "", nil), http.StatusMethodNotAllowed, "method_not_allowed")
	foreign := func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }
	requireProblem(t, k.ask(http.MethodPost, "/login", k.token, foreign), http.StatusForbidden, "forbidden")
	res := k.ask(http.MethodPost, "/login", k.token+"\n", nil)
	require.Equal(t, http.StatusNoContent, res.StatusCode)
	require.Len(t, res.Cookies(), 1)
	c := res.Cookies()[0]
	require.True(t, c.Secure && c.HttpOnly && c.SameSite == http.SameSiteStrictMode && c.Path == "/" && c.Domain == "" && c.MaxAge == 0)
	require.NotContains(t, c.Value, k.token)
	with := func(r *http.Request) { r.AddCookie(c) }
	require.Equal(t, http.StatusOK, k.ask(http.MethodGet, "/v1/runs", "", with).StatusCode)
	cross := func(r *http.Request) { with(r); foreign(r) }
	requireProblem(t, k.ask(http.MethodPost, "/v1/runs", game, cross), http.StatusForbidden, "forbidden")
	js := k.ask(http.MethodGet, "/web/dom.js", "", nil).text
	require.Contains(t, js, "'/login'")
}

func TestNamesOfTheServer(t *testing.T) {
	k := newGuarded(t, "balancer.example.org", " [2001:db8::1]")
	for name, ok := range map[string]bool{
		"sim.example.org": true, "SIM.example.org:443": true, "localhost": true, "balancer.example.org:8080": true, "[2001:db8::1]:80": true,
		"evil.example": false, "sim.example.org.evil.example": false, "10.0.0.1": false, "": false,
	} {
		res := k.ask(http.MethodGet, "/v1/runs", "", func(r *http.Request) {
			bearer(k.token)(r)
			if r.Host = name; name == "" {
				r.Host = "."
			}
		})
		if ok {
			require.Equal(t, http.StatusOK, res.StatusCode, name)
			continue
		}
		requireProblem(t, res, http.StatusMisdirectedRequest, "forbidden")
	}
	require.Equal(t, http.StatusMisdirectedRequest, k.ask(http.MethodPost, "/login", k.token, func(r *http.Request) { r.Host = "evil.example" }).StatusCode)
}

func TestOldTLSAndPlainHTTPAreRefused(t *testing.T) {
	k := newGuarded(t)
	_, port, err := net.SplitHostPort(k.svc.HTTPAddr())
	require.NoError(t, err)
	_, err = tls.Dial("tcp", "127.0.0.1:"+port, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11}) //nolint:gosec // what must be refused
	require.Error(t, err)
	c, err := net.Dial("tcp", "127.0.0.1:"+port)
	require.NoError(t, err)
	defer c.Close()
	_, err = fmt.Fprintf(c, "GET /v1/runs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n", k.token)
	require.NoError(t, err)
	line, err := bufio.NewReader(c).ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "400", "in the clear there is nothing")
}

func TestRenewedCertificatesAreServed(t *testing.T) {
	k := newGuarded(t)
	serial := func() string {
		_, port, err := net.SplitHostPort(k.svc.HTTPAddr())
		require.NoError(t, err)
		c, err := tls.Dial("tcp", "127.0.0.1:"+port, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}) //nolint:gosec // the certificate is looked at
		require.NoError(t, err)
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	before := serial()
	require.NoError(t, os.Truncate(k.dir.HTTPCert(), 10))
	require.Equal(t, before, serial(), "half of a file changes nothing")
	require.NoError(t, k.dir.Renew([]string{"new.example.org"}, 1))
	require.Eventually(t, func() bool { return serial() != before }, waitFor, pollEvery)
	require.Contains(t, k.svc.http.access.hosts(), "new.example.org")
}

// A listener that is full makes others wait, and serves them once there is room.
func TestConnectionsAreLimited(t *testing.T) {
	inner, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l := &limited{Listener: inner, free: make(chan struct{}, 2), closed: make(chan struct{})}
	accepted := make(chan net.Conn)
	ended := make(chan error, 1)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				ended <- err
				return
			}
			accepted <- c
		}
	}()
	var served []net.Conn
	for range 3 {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", inner.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
	}
	for range 2 {
		served = append(served, <-accepted)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	select {
	case <-accepted:
		require.Fail(t, "there was no room")
	case <-ctx.Done():
	}
	require.NoError(t, served[0].Close())
	require.Error(t, served[0].Close(), "closed twice it gives one place free")
	third := <-accepted
	require.Len(t, l.free, 2)
	require.NoError(t, l.Close())
	require.ErrorIs(t, <-ended, net.ErrClosed)
	require.NoError(t, third.Close())
	require.NoError(t, served[1].Close())
	require.Empty(t, l.free)
}

// Who sends a body a byte at a time is cut off: nothing is held for it for ever.
func TestSlowBodiesAreCutOff(t *testing.T) {
	k := newStack(t)
	k.start()
	k.svc.http.bodyTimeout = 100 * time.Millisecond
	c, err := net.Dial("tcp", k.svc.HTTPAddr())
	require.NoError(t, err)
	defer c.Close()
	_, err = fmt.Fprintf(c, "POST /v1/runs/none/pause HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nx")
	require.NoError(t, err)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(waitFor)))
	_, err = io.ReadAll(c)
	require.NoError(t, err, "the server ends the connection")
}
