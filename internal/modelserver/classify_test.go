package modelserver

import (
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestStatuses(t *testing.T) {
	for status, want := range map[int]struct{ chat, batch Kind }{
		400: {Rejected, Rejected}, 413: {Rejected, Rejected}, 422: {Rejected, Rejected},
		401: {Forbidden, Forbidden}, 403: {Forbidden, Forbidden}, 402: {Forbidden, Forbidden},
		404: {Forbidden, Lacking}, 405: {Forbidden, Lacking}, 501: {Failing, Lacking},
		301: {Forbidden, Forbidden}, 307: {Forbidden, Forbidden}, 304: {Forbidden, Forbidden},
		409: {Overloaded, Overloaded}, 425: {Overloaded, Overloaded}, 429: {Overloaded, Overloaded},
		408: {Failing, Failing}, 500: {Failing, Failing}, 502: {Failing, Failing}, 503: {Failing, Failing}, 529: {Failing, Failing},
	} {
		s := answering(t, status, `{"error":{"message":"the reason"}}`, "Location", "http://127.0.0.1:1/elsewhere")
		_, err := s.Chat(t.Context(), plainParams(), user("q"))
		e := failure(t, err)
		require.Equal(t, want.chat, e.Kind, "%d: %v", status, err)
		require.Equal(t, status, e.Status)
		require.True(t, strings.HasPrefix(e.Text, s.host+": HTTP "), e.Text)
		_, err = s.Batch(t.Context(), plainParams(), users(2))
		require.Equal(t, want.batch, failure(t, err).Kind, "%d: %v", status, err)
	}
}

func TestOverloadAndItsWait(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		header []string
		kind   Kind
		after  time.Duration
	}{
		"503 that says when":  {503, []string{"Retry-After", "2"}, Overloaded, 2 * time.Second},
		"503 that does not":   {503, nil, Failing, 0},
		"429 with a fraction": {429, []string{"Retry-After", "0.5"}, Overloaded, 500 * time.Millisecond},
		"429 in milliseconds": {429, []string{"Retry-After", "9", "Retry-After-Ms", "250"}, Overloaded, 250 * time.Millisecond},
		"500 that says when":  {500, []string{"Retry-After", "3"}, Failing, 3 * time.Second},
	} {
		_, err := answering(t, c.status, "", c.header...).Chat(t.Context(), plainParams(), user("q"))
		e := failure(t, err)
		require.Equal(t, c.kind, e.Kind, name)
		require.Equal(t, c.after, e.After, name)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for v, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-1": 0, "NaN": 0, "soon": 0, "1e300": (1<<31 - 1) * time.Second,
		now.Add(time.Minute).Format(http.TimeFormat): time.Minute, now.Add(-time.Minute).Format(http.TimeFormat): 0,
	} {
		require.Equal(t, want, retryAfter(http.Header{"Retry-After": {v}}, now), v)
	}
}

// Servers say in many ways what is wrong.
func TestReasonIsQuoted(t *testing.T) {
	for body, want := range map[string]string{
		`{"error":{"message":"too  long\nby 3","code":400}}`:   "HTTP 400: too long by 3",
		`{"object":"error","message":"old vLLM","code":400}`:   "HTTP 400: old vLLM",
		`{"detail":"Not Found"}`:                               "HTTP 400: Not Found",
		`{"detail":[{"loc":["body"],"msg":"Field required"}]}`: "HTTP 400: Field required",
		`{"error":"model 'x' not found"}`:                      "HTTP 400: model 'x' not found",
		`plain text`:                                           "HTTP 400: plain text",
		"\xff\xfe":                                             "HTTP 400: Bad Request",
		``:                                                     "HTTP 400: Bad Request",
	} {
		_, err := answering(t, 400, body).Chat(t.Context(), plainParams(), user("q"))
		require.True(t, strings.HasSuffix(failure(t, err).Text, want), "%s: %v", body, err)
	}
}

func TestErrorTextIsShort(t *testing.T) {
	_, err := answering(t, 400, strings.Repeat("é", 1000)).Chat(t.Context(), plainParams(), user("q"))
	text := failure(t, err).Text
	require.True(t, utf8.ValidString(text))
	require.True(t, strings.HasSuffix(text, "…"))
	require.Greater(t, len(text), 390)
}

// A server may repeat what it was sent, and where the text is cut is up to it.
func TestKeyIsInNoError(t *testing.T) {
	for pad := range 420 {
		s := New(Settings{URL: "http://h/v1", Key: testKey, HTTP: &http.Client{}})
		text := s.line(strings.Repeat("x", pad) + testKey + " and " + testKey)
		require.NotContains(t, text, testKey)
		require.NotContains(t, text, testKey[:6], "nor its beginning, where the text was cut")
	}
	_, err := answering(t, 401, `{"error":{"message":"Incorrect API key provided: `+testKey+`"}}`).Chat(t.Context(), plainParams(), user("q"))
	require.Contains(t, failure(t, err).Text, "Incorrect API key provided: [key]")
	_, err = answering(t, 200, `{"error":{"message":"no such key: `+testKey+`"}}`).Chat(t.Context(), plainParams(), user("q"))
	require.Contains(t, failure(t, err).Text, "no such key: [key]")
}

func TestMissingKeyIsNamed(t *testing.T) {
	for _, status := range []int{401, 403} {
		s := answering(t, status, `{"error":{"message":"no"}}`)
		_, err := s.Chat(t.Context(), plainParams(), user("q"))
		require.NotContains(t, failure(t, err).Text, "no key was sent")
		_, err = client(t, s.base.String(), "").Chat(t.Context(), plainParams(), user("q"))
		require.Contains(t, failure(t, err).Text, "no key was sent (see api_key_env and MYRIAD_LLMPROXY_KEY_HOSTS): no")
	}
}

func TestKindsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for k := Unreached; k <= Malformed; k++ {
		seen[k.String()] = true
	}
	require.Len(t, seen, 8)
	require.Equal(t, "unknown", (Malformed + 1).String())
}
