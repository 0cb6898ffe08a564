package fakevllm

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestChatHasTheShapeOfVLLM(t *testing.T) {
	p := start(t, Options{})
	r := p.post(t, "/chat/completions", chatBody(ask, `"max_tokens":16`))
	require.Equal(t, "application/json", r.header.Get("Content-Type"))
	c := r.completion(t)
	require.Regexp(t, `^chatcmpl-[0-9a-f]{32}$`, c.ID)
	require.Equal(t, "chat.completion", c.Object)
	require.Equal(t, "fake", c.Model)
	require.NotEmpty(t, c.Fingerprint)
	require.Len(t, c.Choices, 1)
	require.Equal(t, "assistant", c.Choices[0].Message.Role)
	require.Equal(t, "stop", c.Choices[0].Finish)
	require.Nil(t, c.Choices[0].Stop)
	require.Equal(t, c.Usage.Total, c.Usage.Prompt+c.Usage.Output)
	require.Equal(t, messageTokens+answerTokens+textTokens(len(ask)), c.Usage.Prompt)
	require.Equal(t, textTokens(len(c.Choices[0].Message.Content))+1, c.Usage.Output)
	x, err := strconv.ParseFloat(c.Choices[0].Message.Content, 64)
	require.NoError(t, err)
	require.True(t, x >= 0 && x <= 100)

	var all map[string]any
	require.NoError(t, json.Unmarshal(r.body, &all))
	for _, key := range []string{"created", "service_tier", "prompt_logprobs", "kv_transfer_params"} {
		require.Contains(t, all, key)
	}
	require.NotEqual(t, c.ID, p.post(t, "/chat/completions", chatBody(ask)).completion(t).ID)
}

func TestBatchAnswersEachConversation(t *testing.T) {
	p := start(t, Options{})
	asked := []string{"Say a number from 1 to 3.", "Say a number from 10 to 30.", "Which one: red, green, or blue?"}
	c := p.post(t, "/chat/completions/batch", batchBody(asked)).completion(t)
	require.Len(t, c.Choices, 3)
	prompt := 0
	for i, choice := range c.Choices {
		require.Equal(t, i, choice.Index)
		prompt += messageTokens + answerTokens + textTokens(len(asked[i]))
	}
	require.Equal(t, prompt, c.Usage.Prompt) // a total of the batch
	require.Contains(t, []string{"1", "2", "3"}, c.Choices[0].Message.Content)
	x, err := strconv.Atoi(c.Choices[1].Message.Content)
	require.NoError(t, err)
	require.True(t, x >= 10 && x <= 30)
	require.Contains(t, []string{"red", "green", "blue"}, c.Choices[2].Message.Content)
	require.Equal(t, uint64(1), p.Stats().Batches)
	require.Equal(t, uint64(3), p.Stats().Completions)
}

func contents(c completion) []string {
	var out []string
	for _, choice := range c.Choices {
		out = append(out, choice.Message.Content)
	}
	return out
}

func distinct(all []string) int {
	seen := map[string]bool{}
	for _, s := range all {
		seen[s] = true
	}
	return len(seen)
}

// What is random and what is not decides whether a sharing of prompts or seeds changes a simulation.
func TestWhereAnswersComeFrom(t *testing.T) {
	same := repeated("Report a number from 0 to 1000000.", 64)
	batch := func(p *peer, more ...string) []string {
		return contents(p.post(t, "/chat/completions/batch", batchBody(same, more...)).completion(t))
	}
	single := func(p *peer, more ...string) string {
		return contents(p.post(t, "/chat/completions", chatBody(same[0], more...)).completion(t))[0]
	}
	p, q := start(t, Options{}), start(t, Options{Seed: 99})

	greedy := batch(p, `"temperature":0`)
	require.Equal(t, 1, distinct(greedy))
	require.Equal(t, greedy[0], single(q, `"temperature":0`, `"seed":5`))

	require.Greater(t, distinct(batch(p, `"temperature":1`)), 60)
	require.Greater(t, distinct(batch(p)), 60) // 1 is the default

	seeded := batch(p, `"seed":5`)
	require.Equal(t, 1, distinct(seeded), "a seed for the whole batch makes equal prompts equal")
	require.Equal(t, seeded[0], single(q, `"seed":5`))
	require.NotEqual(t, seeded[0], single(p, `"seed":6`))
	require.NotEqual(t, seeded[0], single(p, `"seed":5`, `"temperature":0.5`))

	d, e := start(t, Options{Deterministic: true}), start(t, Options{Deterministic: true})
	require.Equal(t, 1, distinct(batch(d)))
	require.Equal(t, batch(d), batch(e))
	require.NotEqual(t, single(d), contents(d.post(t, "/chat/completions", chatBody(same[0]+" ")).completion(t))[0])

	choices := contents(d.post(t, "/chat/completions", chatBody(same[0], `"n":8`)).completion(t))
	require.Len(t, choices, 8)
	require.Greater(t, distinct(choices), 6)

	a, b := start(t, Options{Seed: 3}), start(t, Options{Seed: 3})
	require.Equal(t, batch(a), batch(b), "the seed of the server makes fresh draws repeat")
}

func TestMaxTokensCuts(t *testing.T) {
	p := start(t, Options{Style: Reasoned})
	for _, field := range []string{`"max_tokens":2`, `"max_completion_tokens":2`, `"max_tokens":90,"max_completion_tokens":2`} {
		c := p.post(t, "/chat/completions", chatBody(ask, field)).completion(t)
		require.Equal(t, "length", c.Choices[0].Finish)
		require.Equal(t, 2, c.Usage.Output)
		require.LessOrEqual(t, len(c.Choices[0].Message.Content), 2*bytesPerToken)
	}
	require.Equal(t, uint64(3), p.Stats().Cut)
}

func TestStopStringsEndAnAnswer(t *testing.T) {
	p := start(t, Options{Style: Reasoned})
	for range 20 {
		c := p.post(t, "/chat/completions", chatBody(ask, `"stop":["zzz","Answer"]`)).completion(t)
		require.NotContains(t, c.Choices[0].Message.Content, "Answer")
		require.Equal(t, "stop", c.Choices[0].Finish)
		require.Equal(t, "Answer", *c.Choices[0].Stop)
	}
}

func TestReasonedAnswersHaveTheMeanLength(t *testing.T) {
	p := start(t, Options{Style: Reasoned, Tokens: 80, Seed: 1})
	c := p.post(t, "/chat/completions/batch", batchBody(numbered(1000))).completion(t)
	require.InDelta(t, 80, float64(c.Usage.Output)/1000, 12)
	var lengths []float64
	for _, choice := range c.Choices {
		text := choice.Message.Content
		require.Regexp(t, `(^|\n)Answer: \d+$`, text)
		lengths = append(lengths, float64(textTokens(len(text))))
	}
	mean, square := 0.0, 0.0
	for _, l := range lengths {
		mean += l / 1000
		square += l * l / 1000
	}
	require.Greater(t, math.Sqrt(square-mean*mean), 30.0, "lengths are spread")
}

func TestWhatIsAsked(t *testing.T) {
	number := func(text string) question { return look([]message{{role: "user", text: []byte(text)}}) }
	require.Equal(t, question{low: 0, high: 100, ranged: true}, number("from 0 to 100"))
	require.Equal(t, question{low: -5, high: 2.5, decimals: 1, ranged: true}, number("It is from here, between -5 and 2.5."))
	require.Equal(t, question{low: 1, high: 5, ranged: true}, number("On a scale from 1 (strongly against) to 5 (strongly in favour): cars?"))
	require.Equal(t, question{low: 0, high: 100, decimals: 1, ranged: true}, number("a real number from 0 to\n100. "))
	require.Equal(t, question{low: 1, high: 7, ranged: true}, number("between\n1\nand\n7"))
	list := func(text string) string { return fmt.Sprintf("%s", number(text).choices) }
	require.Equal(t, "[keep the cars weekends only all week]", list("Which plan: keep the cars, weekends only, or all week?"))
	require.Equal(t, "[yes no]", list("Answer with one of: yes, no."))
	require.Equal(t, "[red deep blue]", list("Pick:\n- red\n- deep blue\n"))
	require.Equal(t, "[walk drive]", list("Pick:\n1. walk\n2) drive"))
	require.Equal(t, "[]", list("In one sentence, why?"))

	copied := look([]message{
		{role: "system", text: []byte("Copy the answer, a number from 0 to 9.\nWrite nothing else.")},
		{role: "user", text: []byte("<reply>\nHm.\nAnswer: 31\nNo.\nAnswer: 53.5 \n</reply>")},
	})
	require.Equal(t, "53.5", string(appendAnswer(nil, copied, &dice{}, Reasoned, 60)))
	require.Regexp(t, `^\d$`, string(appendAnswer(nil, number("from 0 to 9 and nothing else"), &dice{}, Reasoned, 60)))
	require.Nil(t, number(`then end with a line that says "Answer:" and your number`).quoted)

	fromSystem := look([]message{
		{role: "system", text: []byte("a real number from 0 to 10")}, {role: "assistant", text: []byte("from 1 to 2")},
		{role: "user", text: []byte("Which number?")},
	})
	require.Equal(t, 10.0, fromSystem.high)
	for _, junk := range []string{"", "from ", "from 5 to", "from 9 to 3", "between 1 and", "from 1e400 to 2", "from 5 (", "one of", ":?", ": , , ?"} {
		require.Equal(t, question{}, number(junk), junk)
	}
}

func TestPartsCountAsTokens(t *testing.T) {
	p := start(t, Options{})
	content := func(parts string) string {
		return fmt.Sprintf(`{"model":"fake","messages":[{"role":"user","content":%s}],"temperature":0}`, parts)
	}
	text := p.post(t, "/chat/completions", content(`[{"type":"text","text":"What is this?"}]`)).completion(t)
	require.Equal(t, text, withID(text, p.post(t, "/chat/completions", content(`"What is this?"`)).completion(t)))
	for _, part := range []string{
		`{"type":"image_url","image_url":{"url":"https://example.org/cat.png"}}`,
		`{"type":"audio_url","audio_url":{"url":"https://example.org/cat.ogg"}}`,
		`{"type":"input_audio","input_audio":{"data":"UklGRg==","format":"wav"}}`,
	} {
		c := p.post(t, "/chat/completions", content(`[{"type":"text","text":"What is this?"},`+part+`]`)).completion(t)
		require.Greater(t, c.Usage.Prompt, text.Usage.Prompt)
		require.LessOrEqual(t, c.Usage.Prompt, text.Usage.Prompt+len(part))
	}
	for _, bad := range []string{
		`[{"type":"hologram"}]`, `[{"type":"image_url"}]`, `[{"type":"image_url","image_url":{}}]`, `[5]`,
		`[{"type":"input_audio","input_audio":{"data":"UklGRg==","format":"exe"}}]`, `[{"type":"text"}]`, `5`, `null`,
	} {
		require.Equal(t, http.StatusBadRequest, p.post(t, "/chat/completions", content(bad)).status, bad)
	}
}

func withID(from, to completion) completion {
	to.ID = from.ID
	return to
}

func TestPromptsNeverHaveMoreTokensThanPromised(t *testing.T) {
	for n := range 300 {
		var c chain
		messages := []message{
			{role: "system", text: []byte(strings.Repeat("é", n))}, {role: "user"},
			{role: "user", media: min(mediaTokens, n), text: []byte("x")},
		}
		c.prompt(messages)
		require.LessOrEqual(t, c.tokens, 2*n+n+1+8*3+16)
		require.GreaterOrEqual(t, c.tokens, n/2)
	}
}

func TestCountPrompts(t *testing.T) {
	p := start(t, Options{CountPrompts: true})
	p.post(t, "/chat/completions/batch", batchBody([]string{"a", "b", "a"}))
	p.post(t, "/chat/completions", chatBody("a"))
	p.post(t, "/chat/completions", chatBody("a", `"max_tokens":0`)) // refused, so not asked
	require.Equal(t, map[string]int{"user: a": 3, "user: b": 1}, p.Prompts())
	require.Equal(t, uint64(4), p.Stats().Asked)
	require.Nil(t, start(t, Options{}).Prompts())
}
