package fakevllm

import (
	"bufio"
	"context"
	"encoding/json"
	"math"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/shared"
	"github.com/stretchr/testify/require"
)

const (
	testWait = 5 * time.Second
	testTick = time.Millisecond
)

// events reads a stream: the data of its events and how it ended.
func (p *peer) events(t *testing.T, body string) ([]string, error) {
	t.Helper()
	r, err := p.try(t.Context(), chatPath, body)
	var out []string
	for line := range strings.SplitSeq(string(r.body), "\n\n") {
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			out = append(out, data)
		}
	}
	return out, err
}

func TestStreamsHaveTheShapeOfVLLM(t *testing.T) {
	p := start(t, Options{Style: Reasoned, Tokens: 30})
	events, err := p.events(t, chatBody(ask, `"stream":true,"stream_options":{"include_usage":true},"n":2,"temperature":1,"seed":4`))
	require.NoError(t, err)
	require.Equal(t, "[DONE]", events[len(events)-1])
	texts, finished, tokens := [2]string{}, [2]string{}, 0
	for _, e := range events[:len(events)-2] {
		var c struct {
			Object  string
			Choices []struct {
				Index  int
				Delta  struct{ Role, Content string }
				Finish *string `json:"finish_reason"`
			}
		}
		require.NoError(t, json.Unmarshal([]byte(e), &c), e)
		require.Equal(t, "chat.completion.chunk", c.Object)
		require.Len(t, c.Choices, 1)
		ch := c.Choices[0]
		require.Empty(t, finished[ch.Index], "nothing after the end")
		require.Equal(t, texts[ch.Index] == "" && ch.Delta.Content == "", ch.Delta.Role == "assistant")
		texts[ch.Index] += ch.Delta.Content
		if ch.Delta.Content != "" {
			tokens++
		}
		if ch.Finish != nil {
			finished[ch.Index] = *ch.Finish
		}
	}
	require.Equal(t, [2]string{"stop", "stop"}, finished)
	var last completion
	require.NoError(t, json.Unmarshal([]byte(events[len(events)-2]), &last))
	require.Empty(t, last.Choices)
	require.Equal(t, tokens+2, last.Usage.Output)
	whole := p.post(t, chatPath, chatBody(ask, `"n":2,"temperature":1,"seed":4`)).completion(t)
	require.Equal(t, contents(whole), texts[:], "streamed or not, the answer is the same")
	require.Equal(t, whole.Usage, last.Usage)
}

func TestTokensComeWhenTheyExist(t *testing.T) {
	p := start(t, Options{Prefill: time.Millisecond, PerToken: 30 * time.Millisecond, Style: Reasoned})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+chatPath,
		strings.NewReader(chatBody(ask, `"stream":true,"max_tokens":8`)))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	begin := time.Now()
	resp, err := p.http.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Contains(t, resp.Header.Get("Content-Type"), "text/event-stream")
	var at []time.Duration
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if strings.Contains(lines.Text(), `"token_ids"`) {
			at = append(at, time.Since(begin))
		}
	}
	require.Len(t, at, 8)
	for i, when := range at {
		require.GreaterOrEqual(t, when, time.Duration(i+1)*30*time.Millisecond)
	}
	require.Less(t, at[0], at[7]-100*time.Millisecond, "not all at the end")
}

func TestStreamsBreak(t *testing.T) {
	p := start(t, Options{})
	body := chatBody(ask, `"stream":true`)
	p.script(t, Reset)
	_, err := p.events(t, body)
	require.ErrorIs(t, err, syscall.ECONNRESET)
	p.script(t, Malformed)
	events, err := p.events(t, body)
	require.NoError(t, err)
	for _, e := range events[:len(events)-1] {
		if !json.Valid([]byte(e)) {
			events = nil
			break
		}
	}
	require.Nil(t, events, "one event at least is no JSON")
	p.script(t, Slow)
	events, err = p.events(t, body)
	require.NoError(t, err)
	require.Equal(t, "[DONE]", events[len(events)-1])
	p.script(t, Internal)
	require.Equal(t, http.StatusInternalServerError, p.post(t, chatPath, body).status)
}

func TestAStreamEndsWithItsClient(t *testing.T) {
	p := start(t, Options{PerToken: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+chatPath, strings.NewReader(chatBody(ask, `"stream":true`)))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	resp, err := p.http.Do(req) // the first event comes at once
	require.NoError(t, err)
	require.Equal(t, 1, p.Stats().Running)
	cancel()
	require.NoError(t, resp.Body.Close())
	require.Eventually(t, func() bool { return p.Stats().Running == 0 && p.Stats().Aborted == 1 }, testWait, testTick)
}

func (p *peer) sdk(key string) openai.Client {
	return openai.NewClient(option.WithBaseURL(p.url), option.WithAPIKey(key), option.WithHTTPClient(p.http), option.WithMaxRetries(0))
}

// The client that real programs use must find a server it knows.
func TestOpenAIClient(t *testing.T) {
	p := start(t, Options{Key: "k", Style: Reasoned})
	c := p.sdk("k")
	params := openai.ChatCompletionNewParams{
		Model: "fake", Messages: []openai.ChatCompletionMessageParamUnion{openai.SystemMessage("You are Ada."), openai.UserMessage(ask)},
		Temperature: param.NewOpt(1.0), MaxCompletionTokens: param.NewOpt(int64(400)), Seed: param.NewOpt(int64(3)),
	}
	whole, err := c.Chat.Completions.New(t.Context(), params)
	require.NoError(t, err)
	require.Contains(t, whole.Choices[0].Message.Content, "Answer: ")
	require.Positive(t, whole.Usage.PromptTokens)

	stream := c.Chat.Completions.NewStreaming(t.Context(), params)
	acc := openai.ChatCompletionAccumulator{}
	for stream.Next() {
		require.True(t, acc.AddChunk(stream.Current()))
	}
	require.NoError(t, stream.Err())
	require.Equal(t, whole.Choices[0].Message.Content, acc.Choices[0].Message.Content)
	require.Equal(t, "stop", acc.Choices[0].FinishReason)

	params.ResponseFormat = openai.ChatCompletionNewParamsResponseFormatUnion{OfJSONSchema: &shared.ResponseFormatJSONSchemaParam{
		JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{Name: "n", Strict: param.NewOpt(true), Schema: json.RawMessage(schemas[0])},
	}}
	shaped, err := c.Chat.Completions.New(t.Context(), params)
	require.NoError(t, err)
	require.True(t, json.Valid([]byte(shaped.Choices[0].Message.Content)))

	models, err := c.Models.List(t.Context())
	require.NoError(t, err)
	require.Len(t, models.Data, 1)
	require.Equal(t, "fake", models.Data[0].ID)
	require.Equal(t, "vllm", models.Data[0].OwnedBy)

	embed := openai.EmbeddingNewParams{Model: "fake", Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"a", "b"}}}
	floats, err := c.Embeddings.New(t.Context(), embed)
	require.NoError(t, err)
	require.Len(t, floats.Data, 2)
	require.InDelta(t, 1, math.Sqrt(dot(floats.Data[0].Embedding, floats.Data[0].Embedding)), 1e-5)

	var base struct{ Data []struct{ Embedding string } }
	embed.EncodingFormat = openai.EmbeddingNewParamsEncodingFormatBase64
	_, err = c.Embeddings.New(t.Context(), embed, option.WithResponseBodyInto(&base))
	require.NoError(t, err)
	require.Len(t, base.Data[0].Embedding, (4*defaultEmbedding+2)/3*4)

	// The body that vLLM refuses a key with is not what the client knows: it fails, and not with an *openai.Error.
	wrongKey := p.sdk("wrong")
	_, err = wrongKey.Chat.Completions.New(t.Context(), params)
	require.Error(t, err)

	for _, wrong := range []struct {
		change func()
		status int
	}{
		{func() { params.Model = "gone" }, http.StatusNotFound},
		{func() { params.Model = "fake"; params.Temperature = param.NewOpt(-1.0) }, http.StatusBadRequest},
		{func() { params.Temperature = param.NewOpt(1.0); p.script(t, TooMany) }, http.StatusTooManyRequests},
	} {
		wrong.change()
		_, err = c.Chat.Completions.New(t.Context(), params)
		var e *openai.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, wrong.status, e.StatusCode)
	}
}
