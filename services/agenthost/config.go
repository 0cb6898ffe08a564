package agenthost

import (
	"fmt"
	"time"

	"github.com/myriad-sim/myriad/internal/runlog"
)

// Config is read from the environment by a host that runs as its own process.
type Config struct {
	ID            string        `env:"ID" desc:"name of this host; empty: drawn at start"`
	InFlight      int           `env:"IN_FLIGHT" envDefault:"1048576" desc:"agents at most that wait for a model at once"`
	ModelInFlight int           `env:"MODEL_IN_FLIGHT" envDefault:"32768" desc:"agents of a run at most that wait for one language model at once; behavioural players have no bound but IN_FLIGHT"`
	InFlightBytes int64         `env:"IN_FLIGHT_BYTES" envDefault:"268435456" desc:"bytes of unanswered requests at which no new turns begin"`
	Batch         int           `env:"BATCH" envDefault:"1024" desc:"model calls a message at most (1..1024)"`
	KeepRuns      int           `env:"KEEP_RUNS" envDefault:"8" desc:"ended runs whose agents still answer on their subjects"`
	Heartbeat     time.Duration `env:"HEARTBEAT" envDefault:"1s" desc:"how often the host says that it lives"`
	Flush         time.Duration `env:"FLUSH" envDefault:"200ms" desc:"how long a read answer may wait for others before it is logged"`
	Lost          time.Duration `env:"PROXY_LOST" envDefault:"2500ms" desc:"silence after which an llmproxy counts as lost and its calls are sent again"`
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
