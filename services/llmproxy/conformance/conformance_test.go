package conformance_test

import (
	"testing"
	"time"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/services/llmproxy/conformance"
)

func TestMain(m *testing.M) { natstest.VerifyMain(m) }

func TestProviders(t *testing.T) {
	for _, p := range []conformance.Provider{
		{Name: "dummy", Waits: true, Model: func(_ *testing.T, latency time.Duration) scenario.Model {
			return scenario.Model{Name: "player", Provider: "dummy", Latency: int64(latency)}
		}},
		{Name: "levelk", Model: func(*testing.T, time.Duration) scenario.Model {
			return scenario.Model{Name: "player", Provider: "levelk", Tau: "1.5"}
		}},
		{Name: "scripted", Model: func(*testing.T, time.Duration) scenario.Model {
			return scenario.Model{Name: "player", Provider: "scripted", Answers: map[string]string{"guess": "50"}, Noise: 20}
		}},
		{Name: "agent", Waits: true, Peer: conformance.Agent},
		{Name: "openai, batch endpoint", Waits: true, Servers: conformance.Kind{true}.Start},
		{Name: "openai, single calls", Waits: true, Servers: conformance.Kind{false}.Start},
		{Name: "openai, one of each", Waits: true, Servers: conformance.Kind{true, false}.Start},
	} {
		conformance.Run(t, p)
	}
}
