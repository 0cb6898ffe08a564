package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// direct is a client of model servers as a careful user of Go would write it: net/http with a connection for each call in
// flight, and encoding/json.
type direct struct {
	http *http.Client
	urls []string
}

type message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// body is what is posted. Messages are a conversation, or a list of them on the batch path.
type body struct {
	Model       string  `json:"model"`
	Messages    any     `json:"messages"`
	Temperature float64 `json:"temperature"`
	MaxTokens   int     `json:"max_tokens"`
}

type reply struct {
	Choices []struct {
		Index        int     `json:"index"`
		Message      message `json:"message"`
		FinishReason string  `json:"finish_reason"`
	} `json:"choices"`
	Usage struct {
		PromptTokens     int `json:"prompt_tokens"`
		CompletionTokens int `json:"completion_tokens"`
	} `json:"usage"`
}

func newDirect(urls []string, inFlight int) *direct {
	return &direct{urls: urls, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: inFlight}}}
}

func (d *direct) close() { d.http.CloseIdleConnections() }

// conversation is what an agent is asked.
func conversation(say question, agent uint64) []message {
	return []message{{"system", system}, {"user", string(say(nil, agent))}}
}

// chat asks for one completion.
func (d *direct) chat(ctx context.Context, agent uint64, messages []message) (string, error) {
	got, err := d.post(ctx, agent, "/chat/completions", messages)
	if err != nil {
		return "", err
	}
	if len(got.Choices) != 1 {
		return "", fmt.Errorf("%d choices for one conversation", len(got.Choices))
	}
	return got.Choices[0].Message.Content, nil
}

// batch asks for a completion of each of n conversations; texts are in their order.
func (d *direct) batch(ctx context.Context, agent uint64, n int) ([]string, error) {
	list := make([][]message, n)
	for i := range list {
		list[i] = conversation(appendQuestion, agent+uint64(i))
	}
	got, err := d.post(ctx, agent, "/chat/completions/batch", list)
	if err != nil {
		return nil, err
	}
	texts := make([]string, n)
	for _, c := range got.Choices {
		if c.Index < 0 || c.Index >= n || texts[c.Index] != "" {
			return nil, fmt.Errorf("choice %d of %d is not one of ours, or came twice", c.Index, n)
		}
		texts[c.Index] = c.Message.Content
	}
	if len(got.Choices) != n {
		return nil, fmt.Errorf("%d choices for %d conversations", len(got.Choices), n)
	}
	return texts, nil
}

// post sends a request to one of the servers, in turn.
func (d *direct) post(ctx context.Context, turn uint64, path string, messages any) (*reply, error) {
	data, err := json.Marshal(body{servedModel, messages, temperature, maxTokens})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.urls[turn%uint64(len(d.urls))]+path, bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := d.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // read to its end below
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", resp.Status, text)
	}
	got := new(reply)
	return got, json.Unmarshal(text, got)
}

// ask makes a request of the load and counts what came of it.
func (d *direct) ask(ctx context.Context, m *meter, agent uint64, n int, batch bool) {
	m.sent.Add(int64(n))
	began := time.Now()
	var err error
	if batch {
		_, err = d.batch(ctx, agent, n)
	} else {
		_, err = d.chat(ctx, agent, conversation(appendQuestion, agent))
	}
	if err != nil {
		m.fail(n, err.Error())
		return
	}
	m.answered.Add(int64(n))
	m.timed(began, n)
}

// run plays a load without a gateway. Asking ends with asking; ctx is that of the calls.
func (d *direct) run(ctx, asking context.Context, l *Load, m *meter) {
	var all sync.WaitGroup
	defer all.Wait()
	if l.Rate > 0 {
		agent := uint64(0)
		pace(asking, l.Rate/float64(l.Burst), func() {
			for range l.Burst {
				agent++
				who := agent
				all.Go(func() { d.ask(ctx, m, who, 1, false) })
			}
		})
		return
	}
	n := max(1, l.Request)
	for w := range max(1, l.InFlight/n) {
		all.Go(func() {
			for agent := uint64(w) * 10_000_000; asking.Err() == nil; agent += uint64(n) {
				d.ask(ctx, m, agent, n, l.Request > 0)
			}
		})
	}
}
