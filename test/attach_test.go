package test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/fakevllm"
)

const attachScenario = `
version: 1
name: posters
rounds: 2
population: {size: 20}
models: {player: {provider: openai, model: ` + modelName + `, max_tokens: 64, endpoints: [%q]}}
agents: {players: {model: player, system: You look at posters.}}
memory: {turns: 1}
turn:
  - id: liking
    ask: How much do you like this poster, from 1 to 7?
    attach:
      - {image: 'https://example.org/posters/{{.self.number}}-{{.round}}.png?a=b&c=%%22'}
      - {audio: 'data:audio/wav;base64,UklGRg=='}
    answer: {type: likert, points: 7}
`

// Images and sounds reach the server as content parts of the question they go with, also where it is remembered.
func TestAttachments(t *testing.T) {
	t.Parallel()
	for name, noBatch := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, err := fakevllm.New(fakevllm.Options{Model: modelName, NoBatch: noBatch})
			require.NoError(t, err)
			t.Cleanup(server.Close)
			seen := startTap(t, server, nil)
			sys := startSystem(t, nil)
			st := sys.play(t, control.Submission{Source: fmt.Sprintf(attachScenario, seen.url)})
			require.Len(t, sys.rows(t, st), 40)
			require.Zero(t, server.Stats().Refused, "the server understands every request")

			urls := map[string]int{}
			conversation := func(c gjson.Result) {
				for _, m := range c.Array() {
					if m.Get("role").String() != "user" {
						require.Equal(t, gjson.String, m.Get("content").Type, m.Raw)
						continue
					}
					parts := m.Get("content").Array()
					require.Len(t, parts, 3, m.Raw)
					require.JSONEq(t, `{"type": "text", "text": "How much do you like this poster, from 1 to 7?"}`, parts[0].Raw)
					require.Equal(t, "image_url", parts[1].Get("type").String())
					urls[parts[1].Get("image_url.url").String()]++
					require.JSONEq(t, `{"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}`, parts[2].Raw)
				}
			}
			batches := 0
			for _, body := range seen.bodies() {
				messages := gjson.Get(body, "messages")
				switch {
				case messages.Get("0").IsObject():
					conversation(messages)
				case !noBatch:
					for _, c := range messages.Array() {
						conversation(c)
					}
				default:
					batches++
				}
			}
			require.LessOrEqual(t, batches, 1, "a server that has none is asked once")
			want := map[string]int{}
			for agent := range 20 {
				for round, times := range []int{2, 1} { // the first round's is remembered in the second
					want[fmt.Sprintf(`https://example.org/posters/%d-%d.png?a=b&c=%%22`, agent, round+1)] = times
				}
			}
			require.Equal(t, want, urls)
		})
	}
}
