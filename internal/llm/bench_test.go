package llm

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func perCall(b *testing.B, calls int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*calls), "ns/call")
}

// payload is a request of a million-agent round: a whole shard, a persona in every prompt.
func payload(b *testing.B) []byte {
	r := &Request{Run: "run", Model: make([]byte, 80), Facts: make([]byte, 200), System: strings.Repeat("rules ", 50), Calls: make([]Call, ChunkCalls)}
	for i := range r.Calls {
		text := "You are a carpenter of " + strconv.Itoa(20+i%60) + " from Utrecht, and you like to win. What do you report in this round?"
		r.Calls[i] = Call{Agent: uint64(500_000 + i), Messages: []Message{{Role: RoleUser, Content: text}}}
	}
	data, err := EncodeRequest(r)
	require.NoError(b, err)
	return data
}

func BenchmarkReadHead(b *testing.B) {
	data := payload(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ReadHead(data); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAsks reads a request for a player that reads no prompt.
func BenchmarkAsks(b *testing.B) {
	data := payload(b)
	b.ReportAllocs()
	for b.Loop() {
		h, err := ReadHead(data)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := h.Asks(); err != nil {
			b.Fatal(err)
		}
	}
	perCall(b, ChunkCalls)
}

// BenchmarkDecodeRequest reads every text of a request.
func BenchmarkDecodeRequest(b *testing.B) {
	data := payload(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeRequest(data); err != nil {
			b.Fatal(err)
		}
	}
	perCall(b, ChunkCalls)
}

// answers is a result of a whole request of a behavioural player.
func answers() *Result {
	r := &Result{ID: 7, Done: true}
	for i := range ChunkCalls {
		r.Index = append(r.Index, uint32(i))
		r.Text = append(r.Text, strconv.FormatFloat(float64(i)*0.097651, 'f', 6, 64))
	}
	r.TokensIn, r.TokensOut, r.Retries = make([]uint32, ChunkCalls), make([]uint32, ChunkCalls), make([]uint8, ChunkCalls)
	return r
}

func BenchmarkAppendResult(b *testing.B) {
	r := answers()
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if buf, err = AppendResult(buf[:0], r); err != nil {
			b.Fatal(err)
		}
	}
	perCall(b, ChunkCalls)
}

func BenchmarkDecodeResult(b *testing.B) {
	data, err := EncodeResult(answers())
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeResult(data); err != nil {
			b.Fatal(err)
		}
	}
	perCall(b, ChunkCalls)
}
