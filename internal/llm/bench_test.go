package llm

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func BenchmarkDecodeRequest(b *testing.B) {
	r := &Request{Run: "run", Model: make([]byte, 80), Facts: make([]byte, 200), System: strings.Repeat("rules ", 50), Calls: make([]Call, ChunkCalls)}
	for i := range r.Calls {
		r.Calls[i] = Call{Agent: uint64(i), Messages: []Message{{Role: RoleUser, Content: "What do you report in this round?"}}}
	}
	data, err := EncodeRequest(r)
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeRequest(data); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(r.Calls)), "ns/call")
}
