package agenthost

import "time"

// Config is read from the environment by a host that runs as its own process.
type Config struct {
	ID        string        `env:"ID" desc:"name of this host; empty: drawn at start"`
	InFlight  int           `env:"IN_FLIGHT" envDefault:"1048576" desc:"agents at most that wait for a model at once"`
	Batch     int           `env:"BATCH" envDefault:"256" desc:"model calls a message at most (1..1024)"`
	KeepRuns  int           `env:"KEEP_RUNS" envDefault:"8" desc:"ended runs whose agents still answer on their subjects"`
	Heartbeat time.Duration `env:"HEARTBEAT" envDefault:"1s" desc:"how often the host says that it lives"`
	Flush     time.Duration `env:"FLUSH" envDefault:"200ms" desc:"how long a read answer may wait for others before it is logged"`
	Lost      time.Duration `env:"PROXY_LOST" envDefault:"3500ms" desc:"silence after which an llmproxy counts as lost and its calls are sent again"`
}
