package fakevllm

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sink takes a response without keeping it.
type sink struct {
	header http.Header
	status int
	size   int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(status int)      { s.status = status }
func (s *sink) Write(b []byte) (int, error) { s.size += len(b); return len(b), nil }

// gameBody is a batch of conversations like those of a game: a persona of some lines, and a question.
func gameBody(from, n int) []byte {
	persona := strings.Repeat("You are playing a game with 1000 people; everyone reports a number from 0 to 100. ", 4)
	var b strings.Builder
	b.WriteString(`{"model":"fake","temperature":1,"max_tokens":512,"messages":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `[{"role":"system","content":%s},{"role":"user","content":%s}]`,
			quote(fmt.Sprintf("You are %d years old.\n%s", 18+(from+i)%60, persona)),
			quote("This is round 2 of 5. The target of the last round was 31.25. Which number do you report?"))
	}
	return []byte(b.String() + "]}")
}

func benchHandler(b *testing.B, o Options, path string, body []byte, completions int) {
	s, err := New(o)
	require.NoError(b, err)
	defer s.Close()
	h := s.Handler()
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, path, bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := &sink{header: http.Header{}}
		h.ServeHTTP(w, r)
		if w.status != http.StatusOK {
			b.Fatal(w.status)
		}
	}
	b.ReportMetric(float64(b.N*completions)/b.Elapsed().Seconds(), "completions/s")
}

func BenchmarkBatch256(b *testing.B) {
	benchHandler(b, Options{}, "/v1/chat/completions/batch", gameBody(0, 256), 256)
}

func BenchmarkBatch256Reasoned(b *testing.B) {
	benchHandler(b, Options{Style: Reasoned}, "/v1/chat/completions/batch", gameBody(0, 256), 256)
}

// BenchmarkBatch256WithLatency has a thousand sequences and more under way at a time, each with an end of its own.
func BenchmarkBatch256WithLatency(b *testing.B) {
	s, err := New(Options{Style: Reasoned, MaxSeqs: 8192, PerToken: 100 * time.Microsecond, Prefill: time.Microsecond})
	require.NoError(b, err)
	defer s.Close()
	body := gameBody(0, 256)
	b.SetParallelism(32)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/v1/chat/completions/batch", bytes.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			w := &sink{header: http.Header{}}
			s.Handler().ServeHTTP(w, r)
			if w.status != http.StatusOK {
				b.Error(w.status)
			}
		}
	})
	b.ReportMetric(float64(b.N*256)/b.Elapsed().Seconds(), "completions/s")
}

func BenchmarkSingle(b *testing.B) {
	body := bytes.Replace(gameBody(0, 1), []byte("[[{"), []byte("[{"), 1)
	body = bytes.Replace(body, []byte("}]]}"), []byte("}]}"), 1)
	benchHandler(b, Options{}, "/v1/chat/completions", body, 1)
}

// BenchmarkBatch256OverHTTP has a client in the same process, which takes a part of the time.
func BenchmarkBatch256OverHTTP(b *testing.B) {
	p := start(b, Options{})
	body := gameBody(0, 256)
	for b.Loop() {
		resp, err := p.http.Post(p.url+"/chat/completions/batch", "application/json", bytes.NewReader(body))
		require.NoError(b, err)
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(b, err)
		require.NoError(b, resp.Body.Close())
	}
	b.ReportMetric(float64(b.N*256)/b.Elapsed().Seconds(), "completions/s")
}
