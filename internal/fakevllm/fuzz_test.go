package fakevllm

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// value reads any JSON with the cursor, as encoding/json does into an any with UseNumber.
func (c *cursor) value() (any, error) {
	switch c.peek() {
	case '{':
		m := map[string]any{}
		return m, c.object(func(key []byte) error {
			name := string(key)
			v, err := c.value()
			m[name] = v
			return err
		})
	case '[':
		l := []any{}
		err := c.array(func() error {
			v, err := c.value()
			l = append(l, v)
			return err
		})
		return l, err
	case '"':
		s, err := c.str()
		return string(s), err
	case 't':
		return true, c.word("true")
	case 'f':
		return false, c.word("false")
	case 'n':
		return nil, c.word("null")
	}
	n, err := c.number()
	return json.Number(n), err
}

var samples = []string{
	`{"a":[1,-0.5e+7,"x\u00e9\ud83d\ude00\ud83dx\"\\\/\b\f\n\r\t",true,false,null,{}],"a":[]}`, ` [ ] `, `"é"`, `01`, `-`, `1.`, `1e`,
	`{"a" 1}`, `{"a":1,}`, `[1 2]`, "\"\x01\"", `"\u12"`, `"\ud800\u0041"`, `"\x"`, `nul`, `{"":0}x`, `"`, `"\`,
}

func FuzzCursor(f *testing.F) {
	for _, s := range samples {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if !utf8.Valid(body) {
			return // refused before the cursor sees it
		}
		c := cursor{b: body}
		got, err := c.value()
		if err == nil {
			err = c.end()
		}
		skipper := cursor{b: body}
		_, skipErr := skipper.skip()
		if skipErr == nil {
			skipErr = skipper.end()
		}
		require.Equal(t, err == nil, skipErr == nil)
		var bad *badJSON
		if errors.As(err, &bad) && bad.why == "Too deep" {
			return
		}
		require.Equal(t, json.Valid(body), err == nil, "%q: %v", body, err)
		if err != nil {
			return
		}
		d := json.NewDecoder(bytes.NewReader(body))
		d.UseNumber()
		var want any
		require.NoError(t, d.Decode(&want))
		require.Equal(t, want, got)
	})
}

// FuzzRequest holds what is read from a request to what encoding/json reads.
func FuzzRequest(f *testing.F) {
	for _, s := range []string{
		chatBody(ask, `"temperature":0.5,"max_tokens":5,"seed":-7,"n":3,"stop":["a","b"],"stream":true`),
		`{"messages":[{"role":"system","content":"\u00e9"},{"content":null,"role":"assistant","tool_calls":[]}],"top_p":0.5}`,
		`{"messages":[{"role":"user","content":"a"}],"messages":[{"role":"user","content":"b","role":"tool"}],"model":"m","model":"n"}`,
	} {
		f.Add([]byte(s), false)
	}
	f.Add([]byte(batchBody([]string{"a", "b"}, `"seed":1e3`)), true)
	f.Fuzz(func(t *testing.T, body []byte, batch bool) {
		var r request
		err := r.decode(bytes.Clone(body), batch)
		var why *refusal
		require.True(t, err == nil || errors.As(err, &why), "%v", err)
		if err != nil {
			require.NotZero(t, why.status)
			return
		}
		type msg struct {
			Role    string `json:"role"`
			Content any    `json:"content"`
		}
		require.True(t, json.Valid(body))
		var fields map[string]json.RawMessage // keys as they are: encoding/json would match any case in a struct
		require.NoError(t, json.Unmarshal(body, &fields))
		var conversations [][]json.RawMessage
		if batch {
			require.NoError(t, json.Unmarshal(fields["messages"], &conversations))
		} else {
			conversations = make([][]json.RawMessage, 1)
			require.NoError(t, json.Unmarshal(fields["messages"], &conversations[0]))
		}
		require.Len(t, r.conversations, len(conversations))
		for i, c := range r.conversations {
			require.Equal(t, len(conversations[i]), c.to-c.from)
			for k, raw := range conversations[i] {
				var m map[string]json.RawMessage
				require.NoError(t, json.Unmarshal(raw, &m))
				var want msg
				require.NoError(t, json.Unmarshal(m["role"], &want.Role))
				require.NoError(t, json.Unmarshal(m["content"], &want.Content))
				got := r.messages[c.from+k]
				require.Equal(t, want.Role, got.role)
				if text, ok := want.Content.(string); ok {
					require.Equal(t, text, string(got.text))
				}
			}
		}
		for key, got := range map[string]any{"temperature": r.temperature, "top_p": r.topP, "seed": float64(r.seed), "n": float64(r.n)} {
			var x *float64
			if raw := fields[key]; raw != nil && json.Unmarshal(raw, &x) == nil && x != nil {
				require.Equal(t, *x, got, key)
			}
		}
		var model *string
		if raw := fields["model"]; raw != nil && json.Unmarshal(raw, &model) == nil && model != nil {
			require.Equal(t, *model, r.model)
		}
	})
}

func FuzzQuestionAndTokens(f *testing.F) {
	f.Add([]byte("from 0 to 100"), []byte("one of: a, b"))
	f.Add([]byte("between -1.5 (x) and 7?"), []byte("- a\n- b"))
	f.Fuzz(func(t *testing.T, system, user []byte) {
		messages := []message{{role: "system", text: system}, {role: "user", text: user}}
		q := look(messages)
		require.False(t, q.ranged && q.low > q.high)
		d := dice{}
		text := appendAnswer(nil, q, &d, Plain, 0)
		require.LessOrEqual(t, len(text), 400)
		encoded := appendString(nil, text)
		var back string
		require.NoError(t, json.Unmarshal(encoded, &back))
		require.Equal(t, string(bytes.ToValidUTF8(text, []byte("\ufffd"))), string(bytes.ToValidUTF8([]byte(back), []byte("\ufffd"))))
		var c chain
		c.prompt(messages)
		require.LessOrEqual(t, c.tokens, len(system)+len(user)+8*2+16)
	})
}
