package conformance

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// Provider is what the suite is run for.
type Provider struct {
	Name string
	// Model starts what a model of the provider needs, until the test ends, and says how to reach it. An answer takes about
	// the given time, if Waits; equal calls get equal answers. Nil for model servers and peers.
	Model func(t *testing.T, latency time.Duration) scenario.Model
	// Peer is Model where what the model needs is a peer on the bus, which gets a connection of its own.
	Peer func(t *testing.T, nc *nats.Conn, latency time.Duration) scenario.Model
	// Waits: answers can take time.
	Waits bool
	// Servers starts model servers, until the test ends. Nil for players that are no servers.
	Servers func(t *testing.T, o Options) Servers
}

// model is a model whose answers take about so long.
func (s *stage) model(t *testing.T, latency time.Duration) scenario.Model {
	t.Helper()
	switch {
	case s.Servers != nil:
		return s.Servers(t, Options{PerToken: latency, MaxSeqs: 2048}).Model(0)
	case s.Peer != nil:
		return s.Peer(t, s.bus.InProcess(t), latency)
	}
	return s.Model(t, latency)
}

// stage is where the cases of a provider are played: one broker, and one proxy that most of them share.
type stage struct {
	Provider
	t     *testing.T // that the proxy lives as long as
	bus   *natstest.Server
	proxy *proxy
}

// Run plays every case against a provider.
func Run(t *testing.T, p Provider) {
	t.Run(p.Name, func(t *testing.T) {
		t.Parallel() // most of the time something waits
		s := &stage{Provider: p, t: t, bus: natstest.Start(t)}
		s.proxy = startProxy(t, s.bus)
		cases := map[string]func(*testing.T){
			"every call is answered once":      s.everyCall,
			"texts of any kind":                s.anyText,
			"what is wrong is refused by name": s.refusals,
			"a deadline that has passed":       s.tooLate,
			"equal calls get equal answers":    s.repeated,
			"interviews are answered":          s.interviews,
			"extraction is the same each time": s.extraction,
			"a proxy that comes back":          s.restarts,
			"a broker that comes back":         s.brokerRestarts,
		}
		if p.Waits {
			cases["signs of life while calls wait"] = s.signsOfLife
			cases["who stops says so"] = s.stopMidway
		}
		if p.Servers != nil {
			cases["faults cost no answer"] = s.faults
			cases["only the guilty call is rejected"] = s.guilty
			cases["equal prompts are independent"] = s.independent
			cases["equal greedy prompts are asked once"] = s.shared
			cases["tokens are counted exactly"] = s.tokens
			cases["results come as they exist"] = s.partial
			cases["runs get fair shares"] = s.fair
		}
		for name, play := range cases {
			t.Run(name, play)
		}
	})
}
