package modelserver

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/internal/llm"
)

// decoded reads a body with encoding/json.
func decoded(t require.TestingT, body []byte) map[string]any {
	var m map[string]any
	require.NoError(t, json.Unmarshal(body, &m), "%s", body)
	return m
}

func TestBodyOfAChat(t *testing.T) {
	temperature, top := 0.7, 1.0
	p := &Params{Model: `a "b"`, Temperature: &temperature, TopP: &top, MaxTokens: 5, ResponseFormat: []byte(`{"type":"json_object"}`), StructuredOutputs: []byte(`{"choice":["a"]}`)}
	c := Conversation{System: "be brief", Messages: []llm.Message{
		{Role: llm.RoleSystem, Content: "s"}, {Role: llm.RoleAssistant, Content: "a"}, {Role: llm.RoleUser, Content: "u\n\xff"}, {Role: "odd", Content: "o"},
	}}
	body, err := appendChat(nil, p, &c)
	require.NoError(t, err)
	require.JSONEq(t, `{"model":"a \"b\"","messages":[{"role":"system","content":"be brief"},{"role":"system","content":"s"},
		{"role":"assistant","content":"a"},{"role":"user","content":"u\n\ufffd"},{"role":"user","content":"o"}],
		"temperature":0.7,"top_p":1,"max_tokens":5,"response_format":{"type":"json_object"},"structured_outputs":{"choice":["a"]}}`, string(body))

	p = &Params{Model: "m", MaxTokens: 5, NewerMaxTokens: true}
	body, err = appendChat(nil, p, &Conversation{})
	require.NoError(t, err)
	require.JSONEq(t, `{"model":"m","messages":[],"max_completion_tokens":5}`, string(body))
}

func TestPartsGoWithTheText(t *testing.T) {
	const image = `{"type":"image_url","image_url":{"url":"https://h/i.png"}}`
	for name, c := range map[string]struct{ content, parts, want string }{
		"text and part": {"look", "[" + image + "]", `[{"type":"text","text":"look"},` + image + `]`},
		"part alone":    {"", " [ " + image + "," + image + " ] ", "[" + image + "," + image + "]"},
		"no parts":      {"look", "[ ]", `[{"type":"text","text":"look"}]`},
		"empty":         {"look", "", `"look"`},
	} {
		body, err := appendChat(nil, plainParams(), &Conversation{Messages: []llm.Message{{Role: llm.RoleUser, Content: c.content, Parts: []byte(c.parts)}}})
		require.NoError(t, err, name)
		require.JSONEq(t, `{"model":"m","messages":[{"role":"user","content":`+c.want+`}]}`, string(body), name)
	}
}

// What is not an array could change the rest of the request, and with it the answers of others.
func TestPartsThatAreNoArrayAreNotSent(t *testing.T) {
	s := fake(t, nil) // would panic
	for _, parts := range []string{`{}`, `[`, `[{}]],"model":"other"`, `x`, `[1,]`, ` `} {
		c := Conversation{Messages: []llm.Message{{Role: llm.RoleUser, Content: "q", Parts: []byte(parts)}}}
		_, err := s.Chat(t.Context(), plainParams(), c)
		require.Equal(t, Rejected, failure(t, err).Kind, parts)
		_, err = s.Batch(t.Context(), plainParams(), []Conversation{user("q"), c})
		require.Equal(t, Rejected, failure(t, err).Kind, parts)
	}
}

// A batch says of each conversation what a request of its own would say.
func TestBatchIsMadeOfChats(t *testing.T) {
	text := rapid.StringOfN(rapid.RuneFrom([]rune("ab\"\\\n\x00é日🎲")), 0, 20, -1)
	message := rapid.Custom(func(t *rapid.T) llm.Message {
		return llm.Message{Role: rapid.SampledFrom([]string{llm.RoleSystem, llm.RoleUser, llm.RoleAssistant}).Draw(t, "role"), Content: text.Draw(t, "content")}
	})
	conversation := rapid.Custom(func(t *rapid.T) Conversation {
		return Conversation{System: rapid.SampledFrom([]string{"", "x", "y\n"}).Draw(t, "system"), Messages: rapid.SliceOfN(message, 0, 3).Draw(t, "messages")}
	})
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(conversation, 1, 6).Draw(t, "list")
		p := &Params{Model: "m", MaxTokens: rapid.IntRange(0, 9).Draw(t, "max")}
		body, sizes, err := appendBatch(nil, nil, p, list)
		require.NoError(t, err)
		got := decoded(t, body)
		batch, ok := got["messages"].([]any)
		require.True(t, ok)
		require.Len(t, batch, len(list))
		for i := range list {
			single, err := appendChat(nil, p, &list[i])
			require.NoError(t, err)
			want := decoded(t, single)
			require.Equal(t, want["messages"], batch[i])
			empty, err := appendChat(nil, p, &Conversation{})
			require.NoError(t, err)
			require.Equal(t, len(single)-len(empty)+len("[]"), sizes[i])
			delete(want, "messages")
			delete(got, "messages")
			require.Equal(t, want, got)
		}
	})
}

func TestNoSeedIsSent(t *testing.T) {
	chat, err := appendChat(nil, benchParams(), &benchConversations()[0])
	require.NoError(t, err)
	batch, _, err := appendBatch(nil, nil, benchParams(), benchConversations())
	require.NoError(t, err)
	for _, body := range [][]byte{chat, batch} {
		for _, name := range []string{"seed", "n", "stream"} {
			require.NotContains(t, decoded(t, body), name)
		}
	}
}
