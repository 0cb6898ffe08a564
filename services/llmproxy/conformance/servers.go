package conformance

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/fakevllm"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// Options are those of the model servers that a case needs.
type Options = fakevllm.Options

// Servers are model servers of one model.
type Servers struct {
	list []*fakevllm.Server
	urls []string
}

// Kind says how many servers there are, and for each whether it has the endpoint for batches.
type Kind []bool

// Start starts servers of a kind, until the test ends. It fails the test if any of them is ever sent a seed: equal
// prompts would then get equal answers.
func (k Kind) Start(t *testing.T, o Options) Servers {
	t.Helper()
	var s Servers
	o.Model = "tiny"
	for _, batches := range k {
		o.NoBatch = !batches
		f, err := fakevllm.New(o)
		require.NoError(t, err)
		seeds := new(atomic.Int32)
		h := httptest.NewServer(watched(f.Handler(), seeds))
		t.Cleanup(func() {
			f.Close()
			h.Close()
			require.Zero(t, seeds.Load(), "a seed was sent")
		})
		s.list, s.urls = append(s.list, f), append(s.urls, h.URL+"/v1")
	}
	return s
}

// watched counts the requests with a seed.
func watched(h http.Handler, seeds *atomic.Int32) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client went
		}
		if bytes.Contains(body, []byte(`"seed"`)) {
			seeds.Add(1)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		h.ServeHTTP(w, r)
	})
}

// Model is a model of these servers at a temperature. Attempts have time enough for whatever a case makes of it.
func (s Servers) Model(temperature float64) scenario.Model {
	return scenario.Model{
		Name: "player", Provider: "openai", Model: "tiny", Endpoints: s.urls, Temperature: &temperature, MaxTokens: 512,
		Timeout: int64(time.Hour),
	}
}

// stats are the sums over all servers of what matters here.
func (s Servers) stats() (sum fakevllm.Stats) {
	sum.Faults = map[fakevllm.Fault]uint64{}
	for _, f := range s.list {
		st := f.Stats()
		sum.Asked += st.Asked
		sum.Batches += st.Batches
		sum.PromptTokens += st.PromptTokens
		sum.OutputTokens += st.OutputTokens
		for fault, n := range st.Faults {
			sum.Faults[fault] += n
		}
	}
	return sum
}
