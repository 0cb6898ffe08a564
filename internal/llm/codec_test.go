package llm

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"
	"pgregory.net/rapid"
)

var messages = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Message {
	m := Message{
		Role:    rapid.SampledFrom([]string{RoleSystem, RoleUser, RoleAssistant}).Draw(t, "role"),
		Content: strings.Repeat(rapid.String().Draw(t, "content"), rapid.IntRange(0, 40).Draw(t, "times")),
	}
	if rapid.IntRange(0, 9).Draw(t, "with parts") == 0 {
		m.Parts = rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "parts")
	}
	return m
}), 0, 4)

var finite = rapid.Float64Range(-1e9, 1e9)

var requests = rapid.Custom(func(t *rapid.T) *Request {
	return &Request{
		V: Version, ID: rapid.Uint64().Draw(t, "id"), Run: rapid.String().Draw(t, "run"),
		Round: rapid.IntRange(0, 1<<30).Draw(t, "round"), Model: rapid.SliceOf(rapid.Byte()).Draw(t, "model"),
		System: rapid.String().Draw(t, "system"), Purpose: rapid.Uint8().Draw(t, "purpose"),
		Facts: rapid.SliceOf(rapid.Byte()).Draw(t, "facts"),
		Calls: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Call {
			return Call{
				Agent: rapid.Uint64().Draw(t, "agent"), Attempt: rapid.Uint32().Draw(t, "attempt"),
				Messages: messages.Draw(t, "messages"),
				Persona:  rapid.MapOfN(rapid.String(), rapid.String(), 0, 20).Draw(t, "persona"),
				Own:      rapid.MapOfN(rapid.String(), finite, 0, 20).Draw(t, "own"),
			}
		}), 0, 20).Draw(t, "calls"),
		Deadline: rapid.Int64Min(0).Draw(t, "deadline"),
		Budget:   rapid.SliceOf(rapid.Byte()).Draw(t, "budget"),
	}
})

var results = rapid.Custom(func(t *rapid.T) *Result {
	n := rapid.IntRange(0, 40).Draw(t, "n")
	r := &Result{
		V: Version, ID: rapid.Uint64().Draw(t, "id"), Done: rapid.Bool().Draw(t, "done"),
		Index:     rapid.SliceOfN(rapid.Uint32Range(0, MaxCalls-1), n, n).Draw(t, "index"),
		Text:      rapid.SliceOfN(rapid.String(), n, n).Draw(t, "text"),
		TokensIn:  rapid.SliceOfN(rapid.Uint32(), n, n).Draw(t, "in"),
		TokensOut: rapid.SliceOfN(rapid.Uint32(), n, n).Draw(t, "out"),
		Retries:   rapid.SliceOfN(rapid.Uint8(), n, n).Draw(t, "retries"),
		Served:    rapid.String().Draw(t, "served"), Refused: rapid.String().Draw(t, "refused"),
		Apportioned: rapid.Bool().Draw(t, "apportioned"),
	}
	if n > 0 {
		r.Cut = rapid.SliceOfNDistinct(rapid.Uint32Range(0, uint32(n-1)), 0, n, rapid.ID).Draw(t, "cut") //nolint:gosec // small
	}
	if rapid.Bool().Draw(t, "some shared") {
		r.Shared = rapid.SliceOfN(rapid.Uint64(), n, n).Draw(t, "shared")
	}
	if rapid.Bool().Draw(t, "errors") {
		r.Error = rapid.SliceOfN(rapid.String(), n, n).Draw(t, "error")
		if n > 0 {
			r.Rejected = rapid.SliceOfNDistinct(rapid.Uint32Range(0, uint32(n-1)), 0, n, rapid.ID).Draw(t, "rejected") //nolint:gosec // small
		}
	}
	return r
})

var facts = rapid.Custom(func(t *rapid.T) *Facts {
	f := &Facts{
		Seed: rapid.Uint64().Draw(t, "seed"), Round: rapid.IntRange(0, 1<<30).Draw(t, "round"),
		Question: rapid.String().Draw(t, "question"), Type: rapid.String().Draw(t, "type"),
		Min: finite.Draw(t, "min"), Max: finite.Draw(t, "max"), Points: rapid.IntRange(0, 11).Draw(t, "points"),
		Choices:  rapid.SliceOf(rapid.String()).Draw(t, "choices"),
		Vars:     rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "vars"),
		World:    rapid.MapOf(rapid.String(), finite).Draw(t, "world"),
		Previous: rapid.MapOf(rapid.String(), finite).Draw(t, "previous"),
		Decimals: rapid.IntRange(0, 9).Draw(t, "decimals"), Schema: rapid.SliceOf(rapid.Byte()).Draw(t, "schema"),
		Tags: rapid.SliceOf(rapid.String()).Draw(t, "tags"), Language: rapid.String().Draw(t, "language"),
	}
	if rapid.Bool().Draw(t, "game") {
		f.Game = &GameFacts{Kind: rapid.String().Draw(t, "kind"), P: finite.Draw(t, "p"), Offset: finite.Draw(t, "offset"),
			Low: finite.Draw(t, "low"), High: finite.Draw(t, "high"),
			PreviousMean: finite.Draw(t, "mean"), HasPrevious: rapid.Bool().Draw(t, "has")}
	}
	return f
})

// same compares what two values say: empty and nil are one thing on the wire.
func same(t require.TestingT, want, got any) {
	a, err := msgpack.Marshal(want)
	require.NoError(t, err)
	b, err := msgpack.Marshal(got)
	require.NoError(t, err)
	var x, y any
	require.NoError(t, msgpack.Unmarshal(a, &x))
	require.NoError(t, msgpack.Unmarshal(b, &y))
	require.Equal(t, void(x), void(y))
}

func void(v any) any {
	switch v := v.(type) {
	case []any:
		if len(v) == 0 {
			return nil
		}
		for i := range v {
			v[i] = void(v[i])
		}
	case map[string]any:
		if len(v) == 0 {
			return nil
		}
	case []byte:
		if len(v) == 0 {
			return nil
		}
	}
	return v
}

func TestRequestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := requests.Draw(t, "request")
		data, err := EncodeRequest(want)
		require.NoError(t, err)
		got, err := DecodeRequest(data)
		require.NoError(t, err)
		same(t, want, got)
	})
}

// Whoever has a msgpack library can take part: its bytes are read here, and ours there.
func TestPayloadsArePlainMsgpack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		req := requests.Draw(t, "request")
		theirs, err := msgpack.Marshal(req)
		require.NoError(t, err)
		read, err := DecodeRequest(theirs)
		require.NoError(t, err)
		same(t, req, read)
		ours, err := EncodeRequest(req)
		require.NoError(t, err)
		var back Request
		require.NoError(t, msgpack.Unmarshal(ours, &back))
		same(t, req, back)

		res := results.Draw(t, "result")
		theirs, err = msgpack.Marshal(res)
		require.NoError(t, err)
		got, err := DecodeResult(theirs)
		require.NoError(t, err)
		same(t, res, got)
		ours, err = EncodeResult(res)
		require.NoError(t, err)
		again, err := DecodeResult(ours)
		require.NoError(t, err)
		same(t, res, again)

		f := facts.Draw(t, "facts")
		theirs, err = msgpack.Marshal(f)
		require.NoError(t, err)
		fact, err := DecodeFacts(theirs)
		require.NoError(t, err)
		same(t, f, fact)
		fact, err = DecodeFacts(EncodeFacts(f))
		require.NoError(t, err)
		same(t, f, fact)
		var plain Facts
		require.NoError(t, msgpack.Unmarshal(EncodeFacts(f), &plain))
		same(t, f, plain)
	})
}

func TestEqualFactsGiveEqualBytes(t *testing.T) {
	m := map[string]float64{"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6}
	first := EncodeFacts(&Facts{World: m})
	for range 20 {
		require.Equal(t, first, EncodeFacts(&Facts{World: m}))
	}
}

func TestNoFactsAreUnbounded(t *testing.T) {
	f, err := DecodeFacts(nil)
	require.NoError(t, err)
	require.True(t, math.IsNaN(f.Min) && math.IsNaN(f.Max))
}

func TestAppendedFieldsAreSkipped(t *testing.T) {
	data, err := EncodeResult(&Result{ID: 7, Done: true})
	require.NoError(t, err)
	data = append([]byte{0xdc, 0, resultFields + 1}, data[3:]...) // one more field
	later, err := msgpack.Marshal(map[string]any{"nested": []any{1, -1, "x", 1.5, nil, true, []byte{1}}})
	require.NoError(t, err)
	r, err := DecodeResult(append(data, later...))
	require.NoError(t, err)
	require.Equal(t, uint64(7), r.ID)
	require.True(t, r.Done)
}

func TestMissingFieldsAreZero(t *testing.T) {
	short, err := msgpack.Marshal([]any{1, 9, "run"})
	require.NoError(t, err)
	r, err := DecodeRequest(short)
	require.NoError(t, err)
	require.Equal(t, &Request{V: 1, ID: 9, Run: "run"}, r)
}

func TestUnknownVersionIsNamedAndKeepsTheID(t *testing.T) {
	data, err := msgpack.Marshal(&Request{V: 2, ID: 77, Run: "r"})
	require.NoError(t, err)
	r, err := DecodeRequest(data)
	require.ErrorIs(t, err, ErrVersion)
	require.ErrorContains(t, err, "2, known is 1")
	require.Equal(t, uint64(77), r.ID)
	data, err = msgpack.Marshal(&Result{V: 3})
	require.NoError(t, err)
	_, err = DecodeResult(data)
	require.ErrorIs(t, err, ErrVersion)
}

func TestDamagedPayloadsAreRefused(t *testing.T) {
	whole, err := EncodeRequest(&Request{ID: 5, Model: []byte("m"), Calls: []Call{{Agent: 1, Messages: []Message{{Role: RoleUser, Content: "hi"}}}}})
	require.NoError(t, err)
	for cut := range whole {
		_, err := DecodeRequest(whole[:cut])
		require.ErrorIs(t, err, ErrDamaged, "cut at %d", cut)
	}
	_, err = DecodeRequest(append(whole, 0))
	require.ErrorIs(t, err, ErrDamaged)
	// Four billion calls in eight bytes: refused by the length, before memory is asked for.
	_, err = DecodeRequest([]byte{0x99, 1, 1, 0xa0, 0, 0xa0, 0xa0, 0, 0xa0, 0xdd, 0xff, 0xff, 0xff, 0xff})
	require.ErrorIs(t, err, ErrDamaged)
	uneven, err := msgpack.Marshal(&Result{V: 1, Index: []uint32{1}})
	require.NoError(t, err)
	_, err = DecodeResult(uneven)
	require.ErrorIs(t, err, ErrDamaged)
	_, err = EncodeResult(&Result{Index: []uint32{1}})
	require.ErrorIs(t, err, ErrDamaged)
}

func TestLimits(t *testing.T) {
	_, err := EncodeRequest(&Request{Calls: make([]Call, MaxCalls+1)})
	require.ErrorIs(t, err, ErrTooLarge)
	many, err := msgpack.Marshal(&Request{V: 1, ID: 3, Calls: make([]Call, MaxCalls+1)})
	require.NoError(t, err)
	r, err := DecodeRequest(many)
	require.ErrorIs(t, err, ErrTooLarge)
	require.Equal(t, uint64(3), r.ID)
	_, err = EncodeRequest(&Request{System: strings.Repeat("x", MaxBytes)})
	require.ErrorIs(t, err, ErrTooLarge)
	_, err = DecodeRequest(make([]byte, MaxBytes+1))
	require.ErrorIs(t, err, ErrTooLarge)
	_, err = DecodeResult(make([]byte, MaxBytes+1))
	require.ErrorIs(t, err, ErrTooLarge)
	_, err = DecodeFacts(make([]byte, MaxBytes+1))
	require.ErrorIs(t, err, ErrTooLarge)
}

func TestADecodedRequestOutlivesItsBuffer(t *testing.T) {
	data, err := EncodeRequest(&Request{Run: "run", Model: []byte("model"), Calls: []Call{{Messages: []Message{{Role: RoleUser, Content: "hi"}}}}})
	require.NoError(t, err)
	r, err := DecodeRequest(data)
	require.NoError(t, err)
	clear(data)
	require.Equal(t, "run", r.Run)
	require.Equal(t, "model", string(r.Model))
	require.Equal(t, "hi", r.Calls[0].Messages[0].Content)
}

func TestMessagesOfCallsDoNotOverlap(t *testing.T) {
	req := &Request{Calls: []Call{{}, {Messages: []Message{{Role: RoleUser, Content: "a"}, {Role: RoleUser, Content: "b"}, {Role: RoleUser, Content: "c"}}}, {Messages: []Message{{Role: RoleUser, Content: "d"}}}}}
	data, err := EncodeRequest(req)
	require.NoError(t, err)
	got, err := DecodeRequest(data)
	require.NoError(t, err)
	got.Calls[1].Messages = append(got.Calls[1].Messages, Message{Role: RoleUser, Content: "mine"})
	require.Equal(t, "d", got.Calls[2].Messages[0].Content)
}
