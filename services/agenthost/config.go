package agenthost

import (
	"fmt"
	"time"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/agent"
)

// Config is read from the environment by a host that runs as its own process.
//
// The ID names the host over all its lives: code agents have it in their addresses, and come back from the log under it. So it
// has to stay the same, and no two hosts may have it at once. One that is drawn at start is enough for population agents, which
// belong to whichever host there is.
type Config struct {
	ID            string        `env:"ID" desc:"name of this host, the same after a restart: its code agents come back under it; empty: drawn at start, and none come back"`
	InFlight      int           `env:"IN_FLIGHT" envDefault:"1048576" desc:"agents at most that wait for a model at once"`
	ModelInFlight int           `env:"MODEL_IN_FLIGHT" envDefault:"32768" desc:"agents of a run at most that wait for one language model at once; behavioural players have no bound but IN_FLIGHT"`
	InFlightBytes int64         `env:"IN_FLIGHT_BYTES" envDefault:"268435456" desc:"bytes of unanswered requests at which no new turns begin"`
	Batch         int           `env:"BATCH" envDefault:"1024" desc:"model calls a message at most (1..1024)"`
	KeepRuns      int           `env:"KEEP_RUNS" envDefault:"8" desc:"ended runs whose agents still answer on their subjects"`
	Heartbeat     time.Duration `env:"HEARTBEAT" envDefault:"1s" desc:"how often the host says that it lives"`
	Flush         time.Duration `env:"FLUSH" envDefault:"200ms" desc:"how long a read answer may wait for others before it is logged"`
	Lost          time.Duration `env:"PROXY_LOST" envDefault:"2500ms" desc:"silence after which an llmproxy counts as lost and its calls are sent again"`

	Kinds           *agent.Registry   `env:"-"` // of code agents that the host makes; nil: those that come with Myriad
	Broker          bus.ConnectConfig `env:"-"` // how processes of agents reach a broker that is inside this program; no URL: none, or they do as this process does
	Workers         int               `env:"WORKERS" envDefault:"0" desc:"code agents at most that compute at once; those that wait for others do not count; 0: no bound"`
	MaxWaiting      int               `env:"MAX_WAITING" envDefault:"131072" desc:"requests to code agents at most that are not answered yet"`
	MaxWaitingBytes int64             `env:"MAX_WAITING_BYTES" envDefault:"268435456" desc:"bytes of requests to code agents that are not answered yet"`
	KeepResults     time.Duration     `env:"KEEP_RESULTS" envDefault:"10m" desc:"how long the result of a call to a code agent is kept for holders of its promise"`
	KeepResultBytes int64             `env:"KEEP_RESULT_BYTES" envDefault:"67108864" desc:"bytes of kept results at most, and again of outcomes by request id; the oldest go first"`
	CallTimeout     time.Duration     `env:"CALL_TIMEOUT" envDefault:"1h" desc:"the longest that a code agent may take for a request without a deadline of its own, and for any call"`
}

func (c Config) check() error {
	if c.Batch < 1 || c.Batch > runlog.MaxChunk {
		return fmt.Errorf("agenthost: batch of %d calls, want 1..%d", c.Batch, runlog.MaxChunk)
	}
	if c.InFlight < 1 || c.ModelInFlight < 1 || c.InFlightBytes < 1 {
		return fmt.Errorf("agenthost: in_flight %d, model_in_flight %d and in_flight_bytes %d must be more than zero", c.InFlight, c.ModelInFlight, c.InFlightBytes)
	}
	if c.Heartbeat <= 0 || c.Flush <= 0 || c.Lost <= 0 {
		return fmt.Errorf("agenthost: heartbeat %v, flush %v and proxy_lost %v must be more than zero", c.Heartbeat, c.Flush, c.Lost)
	}
	return nil
}
