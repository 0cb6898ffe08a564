package prompt_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/prompt"
	"github.com/myriad-sim/myriad/internal/template"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

const pictures = `version: 1
name: pictures
rounds: 9
population: {size: 2, distributions: [{name: photo, categories: [{name: 'http://a/b.png', proportion: 1}]}]}
models: {m: {provider: openai, endpoints: ['http://localhost:1/v1'], model: x}}
agents: {all: {model: m}}
memory: {turns: all}
turn:
  - {id: same, ask: Look!, attach: [{image: 'https://x/{{.round}}.png'}, {audio: 'data:audio/x-wav;base64,AAAA'}], answer: {type: text}}
  - {id: own, ask: And you?, attach: [{image: '{{.persona.photo}}'}, {audio: '{{if gt .round 1}}http://x/{{.self.number}}.mp3{{end}}'}], answer: {type: text}}
  - {id: later, ask: Then?, attach: [{image: '{{if gt .round 1}}http://x/y{{end}}'}], answer: {type: text}}
  - {id: none, ask: Bye., answer: {type: text}}
`

func TestAttachments(t *testing.T) {
	s, err := scenario.Load("test.yaml", []byte(pictures), scenario.Overrides{})
	require.NoError(t, err)
	ann := player{number: 1, name: "http://me/ü?a=1&b=2"}
	with := func(text, parts string) llm.Message {
		return llm.Message{Role: llm.RoleUser, Content: text, Parts: []byte(parts)}
	}
	const sound = `{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}`
	look := func(n string) llm.Message {
		return with("Look!", `[{"type":"image_url","image_url":{"url":"https://x/`+n+`.png"}},`+sound+`]`)
	}
	const face = `{"type":"image_url","image_url":{"url":"http://me/ü?a=1&b=2"}}`

	first := round(t, s, 1)
	for q, want := range []llm.Message{look("1"), with("And you?", `[`+face+`]`), user("Then?"), user("Bye.")} {
		got, err := first.Messages(s, ann, 0, q, prompt.Past{})
		require.NoError(t, err)
		require.Equal(t, []llm.Message{want}, got)
	}
	past := prompt.Past{
		Turns:   []prompt.Turn{{Round: first, Agent: ann, Replies: []string{"one"}}},
		Earlier: []string{"two", "three"},
	}
	got, err := round(t, s, 2).Messages(s, ann, 0, 2, past)
	require.NoError(t, err)
	require.Equal(t, []llm.Message{
		look("1"), assistant("one"), look("2"), assistant("two"),
		with("And you?", `[`+face+`,{"type":"audio_url","audio_url":{"url":"http://x/1.mp3"}}]`), assistant("three"),
		with("Then?", `[{"type":"image_url","image_url":{"url":"http://x/y"}}]`),
	}, got, "what an agent was shown goes with the question it remembers")
}

// What a model is asked does not depend on where it is written.
func TestAttachmentsInARequest(t *testing.T) {
	s, err := scenario.Load("test.yaml", []byte(pictures), scenario.Overrides{})
	require.NoError(t, err)
	r, ann := round(t, s, 2), player{number: 1, name: "http://me"}
	want, err := r.Messages(s, ann, 0, 3, prompt.Past{Earlier: []string{"a", "b", "c"}})
	require.NoError(t, err)
	var w llm.RequestWriter
	w.Reset(&llm.Request{})
	w.Begin(1, 0)
	require.NoError(t, r.Write(&w, s, ann, 0, 3, prompt.Past{Earlier: []string{"a", "b", "c"}}))
	w.End(nil, nil)
	data, err := w.Bytes()
	require.NoError(t, err)
	head, err := llm.ReadHead(data)
	require.NoError(t, err)
	asks, err := head.Asks()
	require.NoError(t, err)
	require.Equal(t, want, head.Body().Messages(asks[0]))
}

func TestURLsThatCannotBeAttached(t *testing.T) {
	s, err := scenario.Load("test.yaml", []byte(pictures), scenario.Overrides{})
	require.NoError(t, err)
	_, err = round(t, s, 1).Messages(s, player{name: "my face"}, 0, 1, prompt.Past{})
	require.ErrorIs(t, err, scenario.ErrAttachment)
	require.EqualError(t, err, `turn own, round 1, agent 0: attach: "my face" is not a URL that can be attached: it has a character that no URL has`)

	shared := strings.Replace(pictures, "https://x/{{.round}}.png", "https{{if gt .round 3}}!{{end}}://x", 1)
	s, err = scenario.Load("test.yaml", []byte(shared), scenario.Overrides{})
	require.NoError(t, err, "only a later round shows it")
	_, err = prompt.NewRound(s, template.Shared{Vars: s.Vars, Round: 4, Rounds: 9, Size: 2})
	require.EqualError(t, err, `turn same, round 4: attach: "https!://x" is not a URL that can be attached: want http://, https:// or data:`)
}

// Whatever URL passes the check, the parts are JSON that says it.
func TestPartsAreJSON(t *testing.T) {
	s, err := scenario.Load("test.yaml", []byte(pictures), scenario.Overrides{})
	require.NoError(t, err)
	r := round(t, s, 1)
	rapid.Check(t, func(t *rapid.T) {
		url := "http://h/" + rapid.String().Draw(t, "path")
		got, err := r.Messages(s, player{name: url}, 0, 1, prompt.Past{})
		if err != nil {
			require.ErrorIs(t, err, scenario.ErrAttachment)
			return
		}
		var parts []struct {
			Image struct{ URL string } `json:"image_url"`
		}
		require.NoError(t, json.Unmarshal(got[0].Parts, &parts))
		require.Len(t, parts, 1)
		require.Equal(t, url, parts[0].Image.URL)
	})
}
