package test

import (
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/fakevllm"
)

// theKey is what must not be seen. Parts of it must not either: texts are cut at limits.
const theKey = "sk-live/7Qm2+Zx9vLw4Rb8Tn6Yc"

// leak is a part of the key that a text holds, "" if there is none.
func leak(text string) string {
	const enough = 12
	for i := range len(theKey) - enough + 1 {
		if strings.Contains(text, theKey[i:i+enough]) {
			return theKey[i : i+enough]
		}
	}
	return ""
}

// tellTale fails some requests in every way in which a server can say something about them, and says which key they had.
func tellTale(n int, w http.ResponseWriter, r *http.Request) bool {
	told := r.Header.Get("Authorization")
	pad := strings.Repeat("x", n%400) // so that limits cut the key at any place
	fail := func(status int, body string) bool {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, body) // a client that left needs no answer
		return true
	}
	message := func(text string) string { return fmt.Sprintf(`{"error": {"message": %q, "code": null}}`, text) }
	escaped := strings.ReplaceAll(told, "/", `\/`)
	switch n % 24 {
	case 1:
		return fail(http.StatusInternalServerError, message(pad+" bad header: "+told))
	case 3:
		return fail(http.StatusBadRequest, message("cannot take "+pad+told))
	case 5:
		return fail(http.StatusTooManyRequests, message("slow down, "+told+pad))
	case 7:
		return fail(http.StatusServiceUnavailable, "<html>"+pad+told+"</html>")
	case 9:
		return fail(http.StatusOK, `{"choices": `+told+pad)
	case 11:
		return fail(http.StatusBadRequest, `{"error": {"message": "`+pad+escaped+`"}}`)
	case 13:
		return fail(http.StatusOK, `{"object": "error", "message": "`+escaped+pad+`"}`)
	case 15:
		w.Header().Set("Location", "http://"+r.Host+"/login?"+told)
		return fail(http.StatusConflict, escaped)
	}
	return false
}

// denied refuses every request and says why.
func denied(_ int, w http.ResponseWriter, r *http.Request) bool {
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = fmt.Fprintf(w, `{"error": {"message": "Incorrect API key provided: %s."}}`, r.Header.Get("Authorization")) // as above
	return true
}

// moved sends every request elsewhere, with the key in the address.
func moved(_ int, w http.ResponseWriter, r *http.Request) bool {
	http.Redirect(w, r, "/elsewhere?key="+r.Header.Get("Authorization"), http.StatusTemporaryRedirect)
	return true
}

// A key is sent to the server it is bound to, and is nowhere else: whatever a run leaves is searched for it, also when the
// server repeats it in every error, with all that the program logs.
func TestKeyIsNowhere(t *testing.T) {
	t.Parallel()
	server, err := fakevllm.New(fakevllm.Options{Model: modelName, Key: theKey})
	require.NoError(t, err)
	t.Cleanup(server.Close)
	taps := []*tap{startTap(t, server, tellTale), startTap(t, server, denied), startTap(t, server, moved)}
	dir := t.TempDir()
	s := call{dir: dir, env: []string{
		"OPENAI_API_KEY=" + theKey, "MYRIAD_LLMPROXY_BACKOFF=10ms", "MYRIAD_LLMPROXY_BREAKER_WAIT=50ms", "MYRIAD_LLMPROXY_MAX_ATTEMPTS=20",
	}}.up(t, "--verbose")

	var mu sync.Mutex
	wire := map[string]string{} // by subject: what holds a part of the key
	messages := 0
	_, err = s.connect(t).Subscribe(">", func(m *nats.Msg) {
		mu.Lock()
		defer mu.Unlock()
		messages++
		if part := leak(m.Subject + fmt.Sprint(m.Header) + string(m.Data)); part != "" {
			wire[m.Subject] = string(m.Data)
		}
	})
	require.NoError(t, err)

	var texts []string
	see := func(path string) string {
		got := s.do(t, http.MethodGet, path, nil)
		texts = append(texts, got.body, fmt.Sprint(got.header))
		return got.body
	}
	var run string
	for i, p := range taps {
		run = s.post(t, "", []byte(guessingOn("secret", 2, 300, "concurrency: 8,", "budget: {tokens: 10_000_000}", p.url)))
		var info runAnswer
		require.Eventually(t, func() bool {
			info = s.state(t, run)
			return info.Over() || info.State == "paused" && !info.Waiting
		}, patience, often)
		texts = append(texts, see("/v1/runs/"+run), see("/v1/runs/"+run+"/report"), see("/v1/runs/"+run+"/results"), see("/v1/runs/"+run+"/results?format=csv"))
		if i == 0 {
			require.Equal(t, "finished", info.State, info.Reason)
			require.Contains(t, see("/v1/runs/"+run+"/results"), "cannot take", "why a call was refused is told")
			require.Contains(t, see("/v1/runs/"+run+"/results"), "[key]")
		} else {
			require.Equal(t, "paused", info.State)
			cancel := s.do(t, http.MethodPost, "/v1/runs/"+run+"/cancel", nil)
			require.Equal(t, http.StatusOK, cancel.status)
		}
		texts = append(texts, fmt.Sprint(s.events(t, run)))
		texts = append(texts, s.do(t, http.MethodPost, "/v1/runs/"+run+"/resume", []byte(`{"tokens": 1}`)).body)
		texts = append(texts, s.do(t, http.MethodPost, "/v1/runs", []byte("models: {player: {api_key_env: OPENAI_API_KEY}}")).body)
		shown := call{dir: dir}.run(t, "show", run, "--out", run)
		texts = append(texts, shown.out.String(), shown.err.String())
	}
	see("/v1/runs")
	require.Contains(t, see("/metrics"), "myriad_llmproxy_")
	see("/healthz")
	require.Contains(t, s.err.String(), "level=DEBUG")
	require.Zero(t, s.stop(t))
	texts = append(texts, s.out.String(), s.err.String())
	for _, text := range texts {
		require.Empty(t, leak(text), text)
	}
	mu.Lock()
	defer mu.Unlock()
	require.Greater(t, messages, 20)
	require.Empty(t, wire)

	files := 0
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Empty(t, leak(path+string(data)), path)
		files++
		return nil
	}))
	require.Greater(t, files, 20)
	for _, p := range taps {
		require.NotEmpty(t, p.bodies())
		for _, body := range p.bodies() {
			require.Empty(t, leak(body))
		}
	}
	require.Positive(t, server.Stats().Completions, "the server takes none but requests with the key")
}
