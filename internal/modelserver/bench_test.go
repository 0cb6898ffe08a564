package modelserver

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/myriad-sim/myriad/internal/llm"
)

const benchBatch = 256

func benchParams() *Params {
	temperature := 1.0
	return &Params{Model: "Qwen/Qwen2-7B-Instruct", Temperature: &temperature, MaxTokens: 512}
}

// benchConversations are those of a round: a shared system prompt, a persona and a question in every message.
func benchConversations() []Conversation {
	list := make([]Conversation, benchBatch)
	for i := range list {
		text := fmt.Sprintf("You are a carpenter of %d from Utrecht, and you like to win.\nWhat do you report in this round? Say \"Answer: \" and a number from 0 to 100.", 20+i%60)
		list[i] = Conversation{System: strings.Repeat("rules ", 50), Messages: []llm.Message{{Role: llm.RoleUser, Content: text}}}
	}
	return list
}

// benchResponse is a response as vLLM writes it.
func benchResponse(n int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"id":"chatcmpl-9b3a","object":"chat.completion","created":1764000000,"model":"Qwen/Qwen2-7B-Instruct","choices":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"index":%d,"message":{"role":"assistant","content":"I think that the others\nwill say about %d.\n\nAnswer: %d","refusal":null,"annotations":null,"audio":null,"function_call":null,"tool_calls":[],"reasoning":null},"logprobs":null,"finish_reason":"stop","stop_reason":null,"token_ids":null}`, i, i%60, i%40)
	}
	fmt.Fprintf(&b, `],"service_tier":null,"system_fingerprint":null,"usage":{"prompt_tokens":%d,"total_tokens":%d,"completion_tokens":%d,"prompt_tokens_details":null},"prompt_logprobs":null,"kv_transfer_params":null}`, 101*n, 120*n, 19*n)
	return b.Bytes()
}

func perSecond(b *testing.B, n int) {
	b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "conversations/s")
}

func BenchmarkEncodeBatch(b *testing.B) {
	list, p := benchConversations(), benchParams()
	var buf []byte
	var sizes []int
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if buf, sizes, err = appendBatch(buf[:0], sizes[:0], p, list); err != nil {
			b.Fatal(err)
		}
	}
	perSecond(b, benchBatch)
}

func BenchmarkDecodeBatch(b *testing.B) {
	data := benchResponse(benchBatch)
	s := New(Settings{URL: "http://h/v1", HTTP: &http.Client{}})
	list, p := benchConversations(), benchParams()
	_, sizes, err := appendBatch(nil, nil, p, list)
	if err != nil {
		b.Fatal(err)
	}
	in := &incoming{}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if err := in.reply.read(data, benchBatch); err != nil {
			b.Fatal(err)
		}
		s.batchOf(in, p, sizes)
	}
	perSecond(b, benchBatch)
}

// plainChat is what a client of encoding/json and net/http does.
func plainChat(ctx context.Context, c *http.Client, url string, p *Params, conv Conversation) error {
	type message struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	}
	body, err := json.Marshal(struct {
		Model       string    `json:"model"`
		Messages    []message `json:"messages"`
		Temperature *float64  `json:"temperature"`
		MaxTokens   int       `json:"max_tokens"`
	}{p.Model, []message{{"system", conv.System}, {"user", conv.Messages[0].Content}}, p.Temperature, p.MaxTokens})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/chat/completions", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer sk-123456")
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	var got struct {
		Model   string `json:"model"`
		Choices []struct {
			Message      message `json:"message"`
			FinishReason string  `json:"finish_reason"`
		} `json:"choices"`
		Usage struct {
			In  int `json:"prompt_tokens"`
			Out int `json:"completion_tokens"`
		} `json:"usage"`
	}
	return json.Unmarshal(data, &got)
}

// BenchmarkChat compares ways to make a call, 64 at once.
func BenchmarkChat(b *testing.B) {
	answer := benchResponse(1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(answer)
	}))
	defer server.Close()
	client := NewHTTPClient()
	defer client.CloseIdleConnections()
	url, p, conv := server.URL+"/v1", benchParams(), benchConversations()[0]
	ours := New(Settings{URL: url, Key: "sk-123456", HTTP: client})
	opts := []option.RequestOption{option.WithBaseURL(url), option.WithHTTPClient(client), option.WithMaxRetries(0), option.WithAPIKey("sk-123456")}
	sdk, typed := openai.Client{Options: opts}, openai.NewChatCompletionService(opts...)
	body, err := appendChat(nil, p, &conv)
	if err != nil {
		b.Fatal(err)
	}
	for name, call := range map[string]func(context.Context) error{
		"Ours":  func(ctx context.Context) error { _, err := ours.Chat(ctx, p, conv); return err },
		"Plain": func(ctx context.Context) error { return plainChat(ctx, client, url, p, conv) },
		"SDKBytes": func(ctx context.Context) error {
			var out []byte
			return sdk.Post(ctx, "chat/completions", body, &out)
		},
		"SDKTyped": func(ctx context.Context) error {
			_, err := typed.New(ctx, openai.ChatCompletionNewParams{
				Model: p.Model, Temperature: openai.Float(1), MaxTokens: openai.Int(512),
				Messages: []openai.ChatCompletionMessageParamUnion{openai.SystemMessage(conv.System), openai.UserMessage(conv.Messages[0].Content)},
			})
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.SetParallelism(32)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := call(b.Context()); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
