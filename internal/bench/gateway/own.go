package gateway

import (
	"context"
	"net/http"
	"sync"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/modelserver"
)

// own is the client of model servers that llmproxy has, used without llmproxy: what is between it and the gateway is the
// price of the way over NATS and of the choices that the gateway makes.
type own struct {
	http   *http.Client
	server *modelserver.Server
	params modelserver.Params
}

func newOwn(url string) *own {
	heat, client := temperature, modelserver.NewHTTPClient()
	return &own{
		http: client, server: modelserver.New(modelserver.Settings{URL: url, HTTP: client}),
		params: modelserver.Params{Model: servedModel, Temperature: &heat, MaxTokens: maxTokens},
	}
}

func (o *own) close() { o.http.CloseIdleConnections() }

func asked(agent uint64) modelserver.Conversation {
	return modelserver.Conversation{System: system, Messages: []llm.Message{{Role: llm.RoleUser, Content: string(appendQuestion(nil, agent))}}}
}

func (o *own) ask(ctx context.Context, agent uint64, n int, batch bool) error {
	if !batch {
		_, err := o.server.Chat(ctx, &o.params, asked(agent))
		return err
	}
	list := make([]modelserver.Conversation, n)
	for i := range list {
		list[i] = asked(agent + uint64(i))
	}
	got, err := o.server.Batch(ctx, &o.params, list)
	for _, c := range got.Completions {
		if err == nil {
			err = c.Err
		}
	}
	return err
}

// run plays a load as direct does.
func (o *own) run(ctx, asking context.Context, l *Load, m *meter) {
	var all sync.WaitGroup
	defer all.Wait()
	n := max(1, l.Request)
	for w := range max(1, l.InFlight/n) {
		all.Go(func() {
			for agent := uint64(w) * 10_000_000; asking.Err() == nil; agent += uint64(n) {
				m.sent.Add(int64(n))
				if err := o.ask(ctx, agent, n, l.Request > 0); err != nil {
					m.fail(n, err.Error())
					continue
				}
				m.answered.Add(int64(n))
			}
		})
	}
}
