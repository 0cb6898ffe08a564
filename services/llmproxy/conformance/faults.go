package conformance

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/fakevllm"
)

// faults: whatever a tenth of the requests meets, and the first one for certain, every call has its answer.
func (s *stage) faults(t *testing.T) {
	const n = 200
	want := s.proxy.good(t, request(t, s.model(t, 0), n)).text
	for _, fault := range fakevllm.AllFaults() {
		if fault == fakevllm.TooLarge || fault == fakevllm.ContextLen {
			continue // what is said of content is believed: see guilty
		}
		t.Run(string(fault), func(t *testing.T) {
			servers := s.Servers(t, Options{Seed: 1, Faults: fakevllm.Faults{
				Shares: map[fakevllm.Fault]float64{fault: 0.1}, Script: map[int]fakevllm.Fault{1: fault}, Pace: 20 * time.Millisecond,
			}})
			m := servers.Model(0)
			if slices.Contains([]fakevllm.Fault{fakevllm.Hang, fakevllm.Slow}, fault) {
				m.Timeout = int64(800 * time.Millisecond)
			}
			require.Equal(t, want, s.proxy.good(t, request(t, m, n)).text, "the answer of a call is its own")
			require.Positive(t, servers.stats().Faults[fault])
		})
	}
}

// guilty: a call whose content a server refuses fails alone, at once and for good.
func (s *stage) guilty(t *testing.T) {
	for name, c := range map[string]struct {
		options Options
		text    string
		why     string
	}{
		"too long for the model":  {Options{MaxModelLen: 1000}, strings.Repeat("long ", 2000), "HTTP 400"},
		"too long for the server": {Options{MaxBody: 200_000}, strings.Repeat("long ", 50_000), "HTTP 413"},
	} {
		t.Run(name, func(t *testing.T) {
			servers := s.Servers(t, c.options)
			r := request(t, servers.Model(0), 200)
			r.Calls[77].Messages[0].Content += c.text
			r.Calls[150].Messages[0].Content += c.text
			g := s.proxy.ask(t, r)
			require.Empty(t, g.refused)
			for i, why := range g.errs {
				if i == 77 || i == 150 {
					require.Contains(t, why, c.why)
					require.True(t, g.rejected[i])
					continue
				}
				require.Empty(t, why, fmt.Sprint("call ", i))
				require.False(t, g.rejected[i])
			}
		})
	}
}
