package modelserver

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func choices(list ...string) string { return `{"choices":[` + strings.Join(list, ",") + `]}` }

func spoken(index int, text string) string {
	return fmt.Sprintf(`{"index":%d,"message":{"content":%q}}`, index, text)
}

func TestReplyInAnyOrderOfKeys(t *testing.T) {
	var r reply
	require.NoError(t, r.read([]byte(` { "usage" : {"total_tokens":9, "completion_tokens": 4, "prompt_tokens":5,"d":{"x":[1,2,{}]}},
		"x": [true,false,null,-1.5e+3,"\u00e9"], "\u0063hoices":[{"finish_reason":"length","message":{"content":"a\u00e9\ud83c\udfb2\n\/\ud800","role":"assistant"},"index":0},
		{"logprobs":null,"index":1,"message":{"refusal":"no","content":null},"finish_reason":null}],"model":"m" } `), 2))
	require.Equal(t, uint64(5), r.in)
	require.Equal(t, uint64(4), r.out)
	text := func(s span) string { return string(r.texts[s.from:s.to]) }
	require.Equal(t, "m", text(r.model))
	require.Equal(t, "aé🎲\n/\ufffd", text(r.choices[0].text))
	require.Equal(t, finishedCut, r.choices[0].finish)
	require.Empty(t, text(r.choices[1].text))
	require.Equal(t, "no", text(r.choices[1].refusal))
}

func TestMalformedReplies(t *testing.T) {
	deep := strings.Repeat("[", 1000) + strings.Repeat("]", 1000)
	for name, c := range map[string]struct {
		n          int
		body, want string
	}{
		"empty body":        {1, "", "missing or of another type"},
		"no JSON":           {1, "hello", "missing or of another type"},
		"no object":         {1, "[]", "missing or of another type"},
		"no choices":        {1, `{"model":"m"}`, "no choices"},
		"empty choices":     {1, choices(), "no choices"},
		"null choices":      {1, `{"choices":null}`, "choices is missing or of another type"},
		"an error":          {1, `{"error":{"message":"upstream is down","code":502}}`, "no choices: upstream is down"},
		"too few":           {3, choices(spoken(0, "a"), spoken(1, "b")), "2 choices instead of 3"},
		"too many":          {1, choices(spoken(0, "a"), spoken(1, "b")), "more than 1 choices"},
		"twice":             {2, choices(spoken(0, "a"), spoken(0, "b")), "choice 1 has the index 0"},
		"out of range":      {2, choices(spoken(0, "a"), spoken(2, "b")), "choice 1 has the index 2"},
		"out of order":      {2, choices(spoken(1, "b"), spoken(0, "a")), "choice 0 has the index 1"},
		"negative":          {1, choices(`{"index":-0,"message":{"content":"a"}}`), "choice 0 has the index -0"},
		"no index":          {2, choices(spoken(0, "a"), `{"message":{"content":"b"}}`), "choice 1 has no index"},
		"index of one":      {1, choices(spoken(1, "a")), "choice 0 has the index 1"},
		"no message":        {1, choices(`{"index":0,"finish_reason":"stop"}`), "choice 0 has no message"},
		"null message":      {1, choices(`{"index":0,"message":null}`), "a message is missing"},
		"content of parts":  {1, choices(`{"index":0,"message":{"content":[{"text":"a"}]}}`), "content is not a text"},
		"choices twice":     {1, `{"choices":[` + spoken(0, "a") + `],"choices":[` + spoken(0, "b") + `]}`, "choices twice"},
		"cut off":           {1, choices(spoken(0, "abcdefghijkl"))[:40], "ends in the middle"},
		"cut off at the }":  {1, strings.TrimSuffix(choices(spoken(0, "a")), "}"), "not JSON"},
		"trailing text":     {1, choices(spoken(0, "a")) + "x", "something follows"},
		"two values":        {1, choices(spoken(0, "a")) + choices(spoken(0, "a")), "something follows"},
		"trailing comma":    {2, `{"choices":[` + spoken(0, "a") + `,]}`, "missing or of another type"},
		"control character": {1, choices("{\"index\":0,\"message\":{\"content\":\"a\nb\"}}"), "not JSON"},
		"bad escape":        {1, choices(`{"index":0,"message":{"content":"a\x"}}`), "not JSON"},
		"bad number":        {1, `{"x":01,"choices":[` + spoken(0, "a") + `]}`, "not JSON"},
		"too deep":          {1, `{"x":` + deep + `,"choices":[` + spoken(0, "a") + `]}`, "nested too deeply"},
	} {
		var r reply
		require.ErrorContains(t, r.read([]byte(c.body), c.n), c.want, name)
		require.NoError(t, r.read([]byte(choices(spoken(0, "after"))), 1), "%s: a reply can be used again", name)
	}
}

func TestUsageInOddForms(t *testing.T) {
	for usage, want := range map[string]uint64{`null`: 0, `{}`: 0, `{"prompt_tokens":-3}`: 0, `{"prompt_tokens":12.0}`: 12, `{"prompt_tokens":null}`: 0, `{"prompt_tokens":1e99}`: 1 << 53} {
		var r reply
		require.NoError(t, r.read([]byte(`{"usage":`+usage+`,"choices":[`+spoken(0, "a")+`]}`), 1))
		require.Equal(t, want, r.in, usage)
	}
}

// FuzzReply checks the reader against encoding/json: what it accepts is JSON and means the same.
func FuzzReply(f *testing.F) {
	f.Add([]byte(one("seven", "stop")), 1)
	f.Add(benchResponse(3), 3)
	f.Add([]byte(choices(`{"index":0,"message":{"content":"a\ud83cb"}}`, `{"index":1,"message":{"content":"\ud83c\udfb2\\\"\u0000","refusal":"x"},"finish_reason":"content_filter"}`)), 2)
	f.Add([]byte("{\"choices\":[{\"message\":{\"content\":\"\xff\xc3\"},\"index\":0}],\"a\":[1e5,-0.1,{\"b\":null}]}"), 1)
	f.Add([]byte(`{"error":{"message":"no"}}`), 1)
	f.Fuzz(func(t *testing.T, data []byte, n int) {
		n = 1 + int(uint(n)%4)
		var r reply
		if r.read(data, n) != nil {
			return
		}
		require.True(t, json.Valid(data), "%q", data)
		var want map[string]any
		require.NoError(t, json.Unmarshal(data, &want))
		list, ok := want["choices"].([]any)
		require.True(t, ok)
		require.Len(t, list, n)
		require.Len(t, r.choices, n)
		for i, c := range r.choices {
			choice, ok := list[i].(map[string]any)
			require.True(t, ok)
			message, ok := choice["message"].(map[string]any)
			require.True(t, ok)
			content, _ := message["content"].(string)
			require.Equal(t, content, string(r.texts[c.text.from:c.text.to]))
		}
	})
}
