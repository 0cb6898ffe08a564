package conformance

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

var ids atomic.Uint64

// facts are what the game of the suite is, for players that read no prompt: a guess of a share of the mean.
func facts(round int) *llm.Facts {
	return &llm.Facts{
		Seed: 7, Round: round, Question: "guess", Type: scenario.TypeNumber, Min: 0, Max: 100, Decimals: 2,
		Game: &llm.GameFacts{Kind: "guess-average", P: 2.0 / 3, Low: 0, High: 100},
	}
}

// request asks agents 0 to n-1 the question of the suite, each in other words.
func request(t *testing.T, m scenario.Model, n int) *llm.Request {
	t.Helper()
	model, err := msgpack.Marshal(&m)
	require.NoError(t, err)
	r := &llm.Request{
		ID: ids.Add(1), Run: "r1", Round: 1, Model: model, System: "You take part in a game.", Facts: llm.EncodeFacts(facts(1)),
		Calls: make([]llm.Call, n),
	}
	for i := range r.Calls {
		r.Calls[i] = call(uint64(i), fmt.Sprintf("You are player %d. Say a real number from 0 to 100.", i))
	}
	return r
}

func call(agent uint64, text string) llm.Call {
	return llm.Call{Agent: agent, Messages: []llm.Message{{Role: llm.RoleUser, Content: text}}}
}

func encode(t *testing.T, r *llm.Request) []byte {
	t.Helper()
	data, err := llm.EncodeRequest(r)
	require.NoError(t, err)
	return data
}
