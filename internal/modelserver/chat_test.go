package modelserver

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestChat(t *testing.T) {
	s := fake(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		assert.Equal(t, "POST /v1/chat/completions", r.Method+" "+r.URL.Path)
		assert.Equal(t, "Bearer "+testKey, r.Header.Get("Authorization"))
		assert.Equal(t, "application/json", r.Header.Get("Content-Type"))
		assert.JSONEq(t, `{"model":"m","messages":[{"role":"user","content":"q"}]}`, string(body))
		_, _ = io.WriteString(w, one("seven", "stop"))
	})
	got, err := s.Chat(t.Context(), plainParams(), user("q"))
	require.NoError(t, err)
	require.Equal(t, Completion{Text: "seven", TokensIn: 12, TokensOut: 3, Served: "m-7b"}, got)
}

func TestNothingComesFromTheEnvironment(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", "sk-ambient")
	t.Setenv("OPENAI_ORG_ID", "org-ambient")
	s := fake(t, func(w http.ResponseWriter, r *http.Request) {
		for name, values := range r.Header {
			assert.NotContains(t, strings.Join(values, " "), "ambient", name)
		}
		assert.Empty(t, r.Header.Get("Authorization"))
		_, _ = io.WriteString(w, one("seven", "stop"))
	})
	s = client(t, s.base.String(), "")
	_, err := s.Chat(t.Context(), plainParams(), user("q"))
	require.NoError(t, err)
}

func TestWhatACompletionMayBe(t *testing.T) {
	chat := func(choice string) (Completion, error) {
		s := answering(t, 200, `{"choices":[`+choice+`],"usage":{"prompt_tokens":12,"completion_tokens":3}}`)
		return s.Chat(t.Context(), plainParams(), user("q"))
	}
	for name, c := range map[string]struct {
		choice, text string
		cut          bool
	}{
		"cut":           {`{"message":{"content":"seven, bec"},"finish_reason":"length"}`, "seven, bec", true},
		"cut and empty": {`{"message":{"content":null},"finish_reason":"length"}`, "", true},
		"refusal":       {`{"message":{"content":null,"refusal":"I cannot"},"finish_reason":"stop"}`, "I cannot", false},
		"no reason":     {`{"index":0,"message":{"content":"seven"}}`, "seven", false},
	} {
		got, err := chat(c.choice)
		require.NoError(t, err, name)
		require.Equal(t, Completion{Text: c.text, Cut: c.cut, TokensIn: 12, TokensOut: 3}, got, name)
	}
	for name, c := range map[string]struct {
		choice string
		kind   Kind
	}{
		"filtered":            {`{"message":{"content":""},"finish_reason":"content_filter"}`, Rejected},
		"filtered in between": {`{"message":{"content":"sev"},"finish_reason":"content_filter"}`, Rejected},
		"empty":               {`{"message":{"content":""},"finish_reason":"stop"}`, Malformed},
		"broken off":          {`{"message":{"content":"sev"},"finish_reason":"abort"}`, Malformed},
	} {
		got, err := chat(c.choice)
		require.Equal(t, c.kind, failure(t, err).Kind, name)
		require.Empty(t, got.Text, name)
		require.Equal(t, uint32(3), got.TokensOut, "%s: the tokens were spent", name)
	}
}

func TestBatch(t *testing.T) {
	s := fake(t, func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "/v1/chat/completions/batch", r.URL.Path)
		var body struct {
			Messages [][]struct{ Content string }
		}
		assert.NoError(t, json.NewDecoder(r.Body).Decode(&body))
		var list []string
		for i, c := range body.Messages {
			choice := spoken(i, "to "+c[len(c)-1].Content)
			switch i {
			case 1:
				choice = `{"index":1,"message":{"content":"par"},"finish_reason":"content_filter"}`
			case 2:
				choice = `{"index":2,"message":{"content":"to questi"},"finish_reason":"length"}`
			case 3:
				choice = `{"index":3,"message":{"content":""},"finish_reason":"stop"}`
			}
			list = append(list, choice)
		}
		_, _ = fmt.Fprintf(w, `{"model":"m","choices":[%s],"usage":{"prompt_tokens":1001,"completion_tokens":77}}`, strings.Join(list, ","))
	})
	list := users(12)
	list[5].System = strings.Repeat("long ", 100)
	got, err := s.Batch(t.Context(), plainParams(), list)
	require.NoError(t, err)
	require.Len(t, got.Completions, 12)
	require.Equal(t, uint64(1001), got.TokensIn)
	require.Equal(t, uint64(77), got.TokensOut)
	var in, out uint64
	for i, c := range got.Completions {
		in, out = in+uint64(c.TokensIn), out+uint64(c.TokensOut)
		require.Equal(t, "m", c.Served)
		switch i {
		case 1:
			require.Equal(t, Rejected, failure(t, c.Err).Kind)
			require.Empty(t, c.Text)
		case 2:
			require.True(t, c.Cut)
			require.Equal(t, "to questi", c.Text)
		case 3:
			require.Equal(t, Malformed, failure(t, c.Err).Kind)
			require.Zero(t, c.TokensOut)
		default:
			require.NoError(t, c.Err)
			require.Equal(t, fmt.Sprintf("to question %d", i), c.Text)
			require.False(t, c.Cut)
		}
	}
	require.Equal(t, got.TokensIn, in)
	require.Equal(t, got.TokensOut, out)
	require.Greater(t, got.Completions[5].TokensIn, 5*got.Completions[4].TokensIn, "by length of the prompt")
	require.Greater(t, got.Completions[0].TokensOut, 2*got.Completions[1].TokensOut, "by length of the text")
}

func TestEmptyBatchIsNotSent(t *testing.T) {
	got, err := fake(t, nil).Batch(t.Context(), plainParams(), nil)
	require.NoError(t, err)
	require.Empty(t, got.Completions)
}

func TestMalformedAnswers(t *testing.T) {
	for name, body := range map[string]string{"no JSON": "<html>", "cut": `{"choices":[{`, "empty": "", "no choices": choices()} {
		s := answering(t, 200, body)
		_, err := s.Chat(t.Context(), plainParams(), user("q"))
		e := failure(t, err)
		require.Equal(t, Malformed, e.Kind, name)
		require.Equal(t, 200, e.Status)
		require.Contains(t, e.Text, s.host)
		_, err = s.Batch(t.Context(), plainParams(), users(2))
		require.Equal(t, Malformed, failure(t, err).Kind, name)
	}
	_, err := answering(t, 200, choices(spoken(0, "a"))).Batch(t.Context(), plainParams(), users(2))
	require.Equal(t, Malformed, failure(t, err).Kind)
	_, err = answering(t, 200, choices(spoken(1, "a"), spoken(0, "b"))).Batch(t.Context(), plainParams(), users(2))
	require.Equal(t, Malformed, failure(t, err).Kind)
}
