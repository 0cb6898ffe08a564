package environment

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/environment"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
	"github.com/myriad-sim/myriad/services/environment/engine"
)

const shared = `
version: 1
name: shared
population: {size: 5}
models: {p: {provider: dummy}}
agents: {first: {model: p, count: 3}, second: {model: p, count: 2}}
turn: [{id: guess, ask: "?", answer: {type: number, min: 0, max: 100}}]
environments:
  market/left: {kind: map2d, width: 4}
  market:
    state: {price: 10}
    listeners: [{name: crash, when: state.price < 5, tell: [{block: second}], say: "{{state.price}}"}]
`

// The environments are there once, as the scenario says, however many services find them declared.
func TestDeclaredEnvironmentsWork(t *testing.T) {
	srv := natstest.Start(t)
	e := engine.New(srv.Connect(t), srv.JetStream(t), natstest.Logger(t), engine.Config{})
	require.NoError(t, e.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, e.Stop(context.Background())) })
	nc := srv.Connect(t)
	sc, err := scenario.Load("shared.yaml", []byte(shared), scenario.Overrides{})
	require.NoError(t, err)
	told, err := nc.SubscribeSync(subjects.Agent("r1", 2, 4, subjects.VerbObserve))
	require.NoError(t, err)
	require.NoError(t, nc.Flush())

	require.NoError(t, declared(t.Context(), nc, "r1", sc, 2))
	market := environment.NewClient(nc, "r1").Env("market")
	require.NoError(t, market.Set(t.Context(), "price", 3))
	require.NoError(t, declared(t.Context(), nc, "r1", sc, 2))
	all, err := market.Export(t.Context())
	require.NoError(t, err)
	require.Equal(t, "map2d", all.Children["left"].Kind)
	price, err := json.Marshal(all.State)
	require.NoError(t, err)
	require.JSONEq(t, `{"price": 3}`, string(price), "it was not made anew")
	m, err := told.NextMsg(10 * time.Second)
	require.NoError(t, err)
	r, err := wire.Read(m)
	require.NoError(t, err)
	require.Equal(t, "3", r.Msgs[0].Content.String())
	require.NoError(t, m.Respond(nil))

	require.NoError(t, market.Remove(t.Context()))
	require.NoError(t, declared(t.Context(), nc, "r1", sc, 2))
	_, err = market.Export(t.Context())
	require.ErrorIs(t, err, environment.ErrNoEnvironment, "somebody did not want it")
}

func TestDeclaredEnvironmentsAreCreated(t *testing.T) {
	srv := natstest.Start(t)
	nc := srv.Connect(t)
	sc, err := scenario.Load("shared.yaml", []byte(shared), scenario.Overrides{})
	require.NoError(t, err)
	type creation struct{ subject, id, content string }
	var mu sync.Mutex
	var got []creation
	outcomes := []error{wire.ErrStopped, nil, nil, nil, wire.ErrExists} // of the requests, in order
	_, err = srv.Connect(t).Subscribe(subjects.AnyRunEnvCall(), func(m *nats.Msg) {
		mu.Lock()
		defer mu.Unlock()
		r, err := wire.Read(m)
		if err == nil {
			err = outcomes[len(got)]
		}
		one := creation{subject: m.Subject, id: r.ID}
		if len(r.Msgs) > 0 {
			one.content = r.Msgs[0].Content.String()
		}
		got = append(got, one)
		_ = wire.Answer(nc, m, r.Encoding, "", msg.Msg{}, err)
	})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, err := nc.Request("myriad.run.r1.env.x.call.y", nil, time.Second)
		mu.Lock()
		defer mu.Unlock()
		return err == nil && len(got) > 0
	}, 10*time.Second, time.Millisecond)
	got = nil

	require.NoError(t, declared(t.Context(), nc, "r1", sc, 2))
	create := subjects.EnvCall("r1", "market", "create")
	inside := subjects.EnvCall("r1", "market/left", "create")
	require.Equal(t, []string{create, create, inside}, []string{got[0].subject, got[1].subject, got[2].subject}, "again after a stop, parents first")
	require.Equal(t, got[0], got[1], "the same request")
	require.NotEmpty(t, got[0].id)
	require.JSONEq(t, `{"kind": "state", "config": {"state": {"price": 10}, "listeners": [{"name": "crash", "when": "state.price < 5",
		"tell": ["agent.1.3", "agent.2.4"], "say": "{{state.price}}"}]}}`, got[0].content)
	require.JSONEq(t, `{"kind": "map2d", "config": {"width": 4}}`, got[2].content)

	err = declared(t.Context(), nc, "r1", sc, 2)
	require.ErrorIs(t, err, wire.ErrExists)
	require.ErrorContains(t, err, "environment market/left of the scenario: ")
}
