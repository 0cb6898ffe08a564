package fakevllm

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBadBodiesAreRefused(t *testing.T) {
	p := start(t, Options{MaxModelLen: 128})
	const chat, batch = "/chat/completions", "/chat/completions/batch"
	for _, c := range []struct {
		path, body, param, says string
	}{
		{chat, ``, "body.0", "JSON decode error"},
		{chat, `{"model":"fake","messages":[{"role":"user","content":"x"}]`, "body.58", "JSON decode error"},
		{chat, chatBody("x") + "x", "", "Extra data"},
		{chat, `[]`, "body", "valid dictionary"},
		{chat, `{}`, "body.messages", "Field required"},
		{chat, `{"messages":null}`, "body.messages", "valid list"},
		{chat, `{"messages":[]}`, "body.messages", "at least 1 item"},
		{chat, `{"messages":[7]}`, "body.messages.0", "dictionary"},
		{chat, `{"messages":[{"role":"user"}]}`, "body.messages.0.content", "Field required"},
		{chat, `{"messages":[{"content":"x"}]}`, "body.messages.0.role", "Field required"},
		{chat, `{"messages":[{"role":"wizard","content":"x"}]}`, "body.messages.0.role", "Input should be"},
		{chat, `{"messages":[{"role":7,"content":"x"}]}`, "body.messages.0.role", "valid string"},
		{chat, "{\"messages\":[{\"role\":\"user\",\"content\":\"\xff\"}]}", "", "parsing the body"},
		{chat, chatBody("x", `"temperature":-1`), "temperature", "non-negative, got -1."},
		{chat, chatBody("x", `"temperature":"1"`), "body.temperature", "valid number"},
		{chat, chatBody("x", `"temperature":1e999`), "body.temperature", "finite"},
		{chat, chatBody("x", `"top_p":0`), "top_p", "(0, 1]"},
		{chat, chatBody("x", `"max_tokens":0`), "max_tokens", "at least 1, got 0."},
		{chat, chatBody("x", `"max_tokens":1.5`), "body.max_tokens", "fractional"},
		{chat, chatBody("x", `"n":0`), "n", "at least 1"},
		{chat, chatBody("x", `"n":2,"temperature":0`), "n", "greedy"},
		{chat, chatBody("x", `"seed":"7"`), "body.seed", "valid integer"},
		{chat, chatBody("x", `"stop":7`), "body.stop", "valid list"},
		{chat, chatBody("x", `"stop":["a",7]`), "body.stop.1", "valid string"},
		{chat, chatBody("x", `"stop":""`), "stop", "empty string"},
		{chat, chatBody("x", `"stream":"yes"`), "body.stream", "valid boolean"},
		{chat, chatBody("x", `"stream_options":{"include_usage":true}`), "stream_options", "stream=True"},
		{chat, chatBody("x", `"logprobs":true`), "", "not supported"},
		{chat, chatBody("x", `"tools":[]`), "tools", "empty array"},
		{chat, chatBody("x", `"tools":[{"type":"function"}]`), "", "enable-auto-tool-choice"},
		{chat, chatBody("x", `"tool_choice":"auto"`), "tool_choice", "`tools` must be set"},
		{chat, chatBody("x", `"guided_json":{}`), "body.guided_json", "structured_outputs"},
		{chat, chatBody("x", `"guided_choice":["a"]`), "body.guided_choice", "structured_outputs"},
		{chat, chatBody(strings.Repeat("x", 484)), "input_tokens", "maximum context length is 128 tokens. However, you requested 1 output tokens and your prompt contains at least 128 input tokens"},
		{chat, chatBody("x", `"max_tokens":121`), "input_tokens", "for a total of at least 129 tokens"},
		{batch, `{"messages":[]}`, "body.messages", "at least 1 item"},
		{batch, `{"messages":[[]]}`, "body.messages.0", "at least 1 item"},
		{batch, chatBody("x"), "body.messages.0", "valid list"},
		{batch, batchBody([]string{"x"}, `"stream":true`), "stream", "streaming"},
		{batch, batchBody([]string{"x"}, `"tools":[{}]`), "tools", "tool use"},
		{batch, batchBody([]string{"x"}, `"n":2`), "n", "`n > 1`"},
		{batch, batchBody([]string{"x"}, `"use_beam_search":true`), "use_beam_search", "beam search"},
		{batch, batchBody([]string{"x", strings.Repeat("x", 600)}), "input_tokens", "maximum context length"},
		{batch, `{"messages":[[{"role":"user","content":"x"}],[{"role":"elf","content":"x"}]]}`, "body.messages.1.0.role", "Input should be"},
		{chat, `{"messages":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`, "", ""},
		{chat, chatBody("x", `"x":`+strings.Repeat("[", 1000)+strings.Repeat("]", 1000)), "", "Too deep"},
	} {
		r := p.post(t, c.path, c.body)
		require.Equal(t, http.StatusBadRequest, r.status, c.body)
		e := r.refused(t)
		require.Contains(t, e.Message, c.says, c.body)
		require.Contains(t, []string{"Bad Request", "BadRequestError"}, e.Type)
		if c.param != "" {
			require.NotNil(t, e.Param, c.body)
			require.Equal(t, c.param, *e.Param, c.body)
		}
	}
	require.Zero(t, p.Stats().Completions)
	require.Equal(t, p.Stats().Requests, p.Stats().Refused)
}

func TestWhatVLLMPassesOverIsPassedOver(t *testing.T) {
	p := start(t, Options{})
	for _, more := range []string{
		`"a_field_of_tomorrow":{"x":[1,"é\u00e9\ud83d\ude00"]}`, `"temperature":null`, `"max_tokens":null,"seed":null`, `"max_tokens":5.0`,
		`"top_k":50,"min_p":0.1,"repetition_penalty":1.1,"ignore_eos":false,"user":"me"`, `"logprobs":false`,
		`"tools":[{"type":"function"}],"tool_choice":"none"`, `"stream":false`, `"response_format":{"type":"text"}`,
		`"response_format":null,"structured_outputs":null`,
	} {
		p.post(t, "/chat/completions", chatBody(ask, more)).completion(t)
	}
	p.post(t, "/chat/completions", `{"messages":[{"role":"user","content":"no model is the one it has"}]}`).completion(t)
	p.post(t, "/chat/completions", `{"messages":[{"role":"assistant","content":null,"tool_calls":[]},{"role":"tool","content":"x","tool_call_id":"y"}]}`).completion(t)
}

func TestRoutes(t *testing.T) {
	p := start(t, Options{NoBatch: true})
	missing := func(r reply) {
		require.Equal(t, http.StatusNotFound, r.status)
		require.JSONEq(t, `{"detail":"Not Found"}`, string(r.body))
	}
	missing(p.post(t, "/chat/completions/batch", batchBody([]string{"x"})))
	missing(p.post(t, "/images/generations", `{}`))
	missing(p.get(t, "/v1/chat"))
	r := p.get(t, "/v1/chat/completions")
	require.Equal(t, http.StatusMethodNotAllowed, r.status)
	require.Equal(t, "POST", r.header.Get("Allow"))
	require.JSONEq(t, `{"detail":"Method Not Allowed"}`, string(r.body))
	r = p.get(t, "/health")
	require.Equal(t, http.StatusOK, r.status)
	require.Empty(t, r.body)

	r = p.post(t, "/chat/completions", `{"model":"other","messages":[{"role":"user","content":"x"}]}`)
	require.Equal(t, http.StatusNotFound, r.status)
	e := r.refused(t)
	require.Equal(t, "The model `other` does not exist.", e.Message)
	require.Equal(t, "NotFoundError", e.Type)
	require.Equal(t, "model", *e.Param)

	resp, err := p.http.Post(p.url+"/chat/completions", "text/plain", strings.NewReader(chatBody("x")))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)
}

func TestKey(t *testing.T) {
	p := start(t, Options{Key: "s3cret"})
	require.Equal(t, http.StatusOK, p.get(t, "/health").status)
	require.Equal(t, http.StatusOK, p.get(t, "/metrics").status)
	r := p.get(t, "/v1/models")
	require.Equal(t, http.StatusUnauthorized, r.status)
	require.JSONEq(t, `{"error":"Unauthorized"}`, string(r.body))
	for header, want := range map[string]int{"Bearer s3cret": 200, "bearer s3cret": 200, "Bearer wrong": 401, "s3cret": 401} {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/models", nil)
		req.Header.Set("Authorization", header)
		w := httptest.NewRecorder()
		p.Handler().ServeHTTP(w, req)
		require.Equal(t, want, w.Code, header)
	}
}

func TestBodiesAreBounded(t *testing.T) {
	p := start(t, Options{MaxBody: 1000})
	body := chatBody(strings.Repeat("x", 1000))
	require.Equal(t, http.StatusRequestEntityTooLarge, p.post(t, "/chat/completions", body).status)
	// Without a length, as in chunks, it is found out on the way.
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/chat/completions", bytes.NewReader([]byte(body)))
	req.ContentLength = -1
	req.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	p.Handler().ServeHTTP(w, req)
	require.Equal(t, http.StatusRequestEntityTooLarge, w.Code)
	p.post(t, "/chat/completions", chatBody(strings.Repeat("x", 900))).completion(t)
}

func TestOptionsThatCannotBe(t *testing.T) {
	for _, o := range []Options{
		{MaxSeqs: -1}, {Prefill: -1}, {Style: "baroque"}, {MaxBody: -1},
		{Faults: Faults{Shares: map[Fault]float64{"plague": 0.1}}}, {Faults: Faults{Shares: map[Fault]float64{Hang: 1.5}}},
		{Faults: Faults{Shares: map[Fault]float64{Hang: 0.6, Reset: 0.6}}}, {Faults: Faults{Script: map[int]Fault{0: Hang}}},
	} {
		_, err := New(o)
		require.ErrorIs(t, err, ErrOptions)
	}
}
