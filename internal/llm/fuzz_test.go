package llm

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What is read can be written, and reads the same again.

func FuzzDecodeRequest(f *testing.F) {
	seed, err := EncodeRequest(&Request{ID: 1, Run: "r", Model: []byte("m"), Calls: []Call{
		{Agent: 300, Messages: []Message{{Role: RoleUser, Content: "hi"}}, Persona: map[string]string{"a": "b"}, Own: map[string]float64{"q": 1.5}}}})
	require.NoError(f, err)
	f.Add(seed)
	plain, err := EncodeRequest(&Request{ID: 1, Calls: []Call{{Agent: 70000, Messages: []Message{{Role: RoleUser, Content: "hi"}}}, {Agent: 2}}})
	require.NoError(f, err)
	f.Add(plain)
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := DecodeRequest(data)
		require.NotNil(t, r)
		h, headErr := ReadHead(data)
		require.Equal(t, []any{r.V, r.ID}, []any{h.V, h.ID})
		if err != nil {
			return
		}
		require.NoError(t, headErr)
		asks, err := h.Asks()
		require.NoError(t, err)
		checkBody(t, &h, asks)
		again, err := EncodeRequest(r)
		require.NoError(t, err)
		back, err := DecodeRequest(again)
		require.NoError(t, err)
		once, err := EncodeRequest(back)
		require.NoError(t, err)
		require.Equal(t, again, once)
	})
}

func FuzzDecodeResult(f *testing.F) {
	seed, err := EncodeResult(&Result{ID: 1, Done: true, Index: []uint32{3}, Text: []string{"42"}, TokensIn: []uint32{1},
		TokensOut: []uint32{70000}, Retries: []uint8{2}, Error: []string{""}, Served: "m"})
	require.NoError(f, err)
	f.Add(seed)
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := DecodeResult(data)
		if err != nil {
			return
		}
		again, err := EncodeResult(r)
		require.NoError(t, err)
		back, err := DecodeResult(again)
		require.NoError(t, err)
		require.Equal(t, r, back)
	})
}

func FuzzDecodeFacts(f *testing.F) {
	f.Add(EncodeFacts(&Facts{Seed: 1, Round: 2, Question: "q", Type: "number", Max: 100, Choices: []string{"a"},
		World: map[string]float64{"target": 33.5}, Game: &GameFacts{Kind: "guess-average", P: 0.5}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		facts, err := DecodeFacts(data)
		if err != nil {
			return
		}
		again := EncodeFacts(facts)
		back, err := DecodeFacts(again)
		require.NoError(t, err)
		require.Equal(t, again, EncodeFacts(back))
	})
}
