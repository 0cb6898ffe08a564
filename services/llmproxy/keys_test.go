package llmproxy

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/pkg/scenario"
)

const secret = "sk-test-0123456789abcdef"

func listen(t testing.TB, address string) net.Listener {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
	require.NoError(t, err)
	return ln
}

// elsewhere makes every host name lead to the server, as if a scenario named hosts on the network.
func elsewhere(f *fakeServer) func(*Service) {
	return func(s *Service) {
		tr := s.openai.client.Transport.(*http.Transport)
		tr.Proxy = nil
		tr.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, f.Listener.Addr().String())
		}
	}
}

// A scenario names its endpoints and its key variable. It must not get a key sent where the operator did not allow.
func TestKeysGoOnlyWhereTheyAreBound(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", secret)
	t.Setenv("OPENAI_ORG_ID", "org-"+secret)
	t.Setenv("OPENAI_PROJECT_ID", "project-"+secret)
	t.Setenv("OPENAI_BASE_URL", "http://evil.example/v1")
	t.Setenv("OTHER_KEY", "other-"+secret)
	cfg := fast(t)
	cfg.KeyHosts = []string{"models.example=OTHER_KEY", "ported.example:8080=OPENAI_API_KEY"}
	f := fake(t, func(chatRequest, int) answer { return say("ok") })
	s := start(t, cfg, elsewhere(f))
	for _, c := range []struct {
		host, variable string
		want           string // "-": refused
	}{
		{"evil.example", "", ""},
		{"evil.example", "OPENAI_API_KEY", "-"},
		{"evil.example", "OTHER_KEY", "-"},
		{"evil.example", "PATH", "-"},
		{"models.example", "OTHER_KEY", "other-" + secret},
		{"models.example:8080", "OTHER_KEY", "other-" + secret},
		{"MODELS.example", "OTHER_KEY", "other-" + secret},
		{"models.example", "", ""},
		{"models.example.evil.example", "OTHER_KEY", "-"},
		{"ported.example:8080", "", secret},
		{"ported.example:9090", "", ""},
		{"127.0.0.1", "", secret},
		{"localhost", "", secret},
		{"[::1]", "", secret},
		{"127.0.0.1", "OTHER_KEY", "-"},
		{"127.0.0.1.evil.example", "", ""},
		{"localhost.evil.example", "", ""},
	} {
		t.Run(c.host+" "+c.variable, func(t *testing.T) {
			before := len(f.requests())
			m := f.model()
			m.Endpoints, m.APIKeyEnv = []string{"http://" + c.host + "/v1"}, c.variable
			got := s.ask(t, request(t, m, nil, 1))
			if c.want == "-" {
				require.Contains(t, got.refused, "MYRIAD_LLMPROXY_KEY_HOSTS")
				require.NotContains(t, got.refused, secret)
				require.Len(t, f.requests(), before)
				return
			}
			require.Empty(t, got.refused)
			require.Len(t, f.requests(), before+1)
			h := f.requests()[before].header
			if c.want == "" {
				require.Empty(t, h.Get("Authorization"))
			} else {
				require.Equal(t, "Bearer "+c.want, h.Get("Authorization"))
			}
			h = h.Clone()
			h.Del("Authorization")
			for name, values := range h {
				require.NotContains(t, values[0], secret, name)
			}
		})
	}
}

func TestAMissingKeyIsExplained(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", "")
	f := fake(t, func(chatRequest, int) answer { return status(401, "who are you") })
	got := start(t, fast(t)).ask(t, request(t, f.model(), nil, 1))
	require.Contains(t, got.errs[0], "no key was sent")
	require.Contains(t, got.errs[0], "MYRIAD_LLMPROXY_KEY_HOSTS")
}

func TestKeysDoNotFollowRedirects(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", secret)
	evil := fake(t, func(chatRequest, int) answer { return say("got you") })
	s := start(t, fast(t))
	for _, code := range []int{301, 302, 307, 308} {
		f := fake(t, func(chatRequest, int) answer {
			return func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, evil.URL+"/v1/chat/completions", code)
			}
		})
		got := s.ask(t, request(t, f.model(), nil, 1))
		require.Contains(t, got.errs[0], "redirect")
		require.Zero(t, got.retries[0])
	}
	require.Empty(t, evil.requests())
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// A server may say the key back, in a body or a header; it gets into no log, error, or result.
func TestKeysAreInNoErrorAndNoLog(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", secret)
	logs := new(lockedBuffer)
	log := slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	f := fake(t, func(r chatRequest, n int) answer {
		text := "wrong key " + r.header.Get("Authorization")
		switch {
		case r.last() == "agent 0":
			return status(401, text)
		case r.last() == "agent 1":
			return status(400, `{"error":{"message":"`+text+`"}}`)
		case n < 3:
			return status(500, text)
		}
		return status(403, text)
	})
	s := startWith(t, fast(t), log)
	got := s.ask(t, request(t, f.model(), nil, 3))
	for _, e := range got.errs {
		require.Contains(t, e, "wrong key Bearer [key]")
	}
	bad := request(t, f.model(), nil, 1)
	m := f.model()
	m.APIKeyEnv, m.Endpoints = "OPENAI_API_KEY", []string{"http://evil.example/v1"}
	bad.Model = request(t, m, nil, 1).Model
	require.NotContains(t, s.ask(t, bad).refused, secret)
	logs.mu.Lock()
	defer logs.mu.Unlock()
	require.Contains(t, logs.b.String(), "model calls fail")
	require.NotContains(t, logs.b.String(), secret)
}

func TestKeyHostsMustBeBindings(t *testing.T) {
	for _, bad := range []string{"host", "=VAR", "host=", "host=" + secret, "http://host=VAR", "a@host=VAR"} {
		cfg := fast(t)
		cfg.KeyHosts = []string{bad}
		_, err := New(nil, nil, cfg)
		require.ErrorIs(t, err, ErrConfig, bad)
		require.NotContains(t, err.Error(), secret)
	}
}

// A proxy that others can reach over the network calls what whoever runs it has named, and nothing else.
func TestOffLoopbackOnlyNamedEndpoints(t *testing.T) {
	cfg := fast(t)
	cfg.Strict = true
	for _, endpoint := range []string{"http://127.0.0.1:9/v1", "http://169.254.169.254/v1", "https://api.openai.com/v1"} {
		_, err := cfg.endpointURL(endpoint)
		require.ErrorIs(t, err, errEndpoint, endpoint)
		require.ErrorContains(t, err, "MYRIAD_LLMPROXY_ALLOW_HOSTS")
	}
	s := start(t, cfg)
	got := s.ask(t, request(t, scenario.Model{Name: "player", Provider: "openai", Model: "x", Endpoints: []string{"http://127.0.0.1:9/v1"}}, nil, 1))
	require.Contains(t, got.refused, "endpoint not allowed")
	cfg.AllowHosts = []string{"127.0.0.1:9"}
	_, err := cfg.endpointURL("http://127.0.0.1:9/v1")
	require.NoError(t, err)
	_, err = cfg.endpointURL("http://127.0.0.1:10/v1")
	require.ErrorIs(t, err, errEndpoint)
}
